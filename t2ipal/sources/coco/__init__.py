"""MS-COCO, 2014 and 2017: its captions, and its images with the labels of their instances.

Two files, for who changes how labels are read need not read captions again.
"""
