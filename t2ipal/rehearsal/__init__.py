"""A rehearsal at true size without a download: random weights in the files of the real models, through the workflow.

Shapes, memory, file sizes and the cost of an item are those of the real models; what the images show and what the
recogniser learns is noise.
"""
