"""What rules read from outside the results: code, class lists, models and data."""


def get_code(script):
    """The script and all it imports, compared by content: an edit reruns what runs it, a checkout reruns nothing."""
    return code_of(ROOT, f"workflow_scripts/{script}.py")


def get_module_code(name):
    """A module and all that it imports; of one outside the package, its file alone."""
    if name.startswith("t2ipal."):
        return code_of(ROOT, f"{name.replace('.', '/')}.py")
    return [os.path.relpath(importlib.util.find_spec(name).origin)]


def get_backbone_code(script, clip):
    """As `get_code`, with the kind of a backbone."""
    return sorted({*get_code(script), *get_module_code(backbones.module_of(CONFIG.clip[clip].model))})


def get_method_code(script, method, clip=None):
    """As `get_code`, with a method, and with the kind of a backbone for a job that loads one."""
    name = method.rpartition(".")[0] or f"t2ipal.methods.{method}"
    code = get_code(script) if clip is None else get_backbone_code(script, clip)
    return sorted({*code, *get_module_code(name)})


def get_source_code(script, source):
    """As `get_code`, with the file of the source: an edit of one source's file reads nothing of the others' again."""
    return sorted({*get_code(script), *get_module_code(type(source).__module__)})


MISSING = {}  # what a dry run found missing: path -> key


def get_existing(path, key):
    """The path, or the end of the run in one line if a job needs it and nothing is there.

    A dry run plans without data: what is missing is said, and is no input.
    """
    if os.path.exists(path):
        return [path]
    if not workflow.dryrun:
        sys.exit(f"error: config: {key}: {path}: no such file or folder (expected one that exists)")
    if path not in MISSING:
        MISSING[path] = key
        if key not in list(MISSING.values())[:-1]:
            print(f"missing: config: {key}: {path} (planned as if it were there)", file=sys.stderr)
    return []


def get_resource(name):
    return os.path.relpath(resource(name))


def get_class_files(name):
    """The files of a class list, named or given as a path."""
    return [os.path.relpath(path) for path in class_files(name)]


def get_class_names(dataset):
    """The names of a data set's classes, in the order of their indices."""
    return list(load_classes(CONFIG.datasets[dataset].classes).names)


def get_classes(dataset):
    """How paths call the class list of a data set."""
    return Path(CONFIG.datasets[dataset].classes).stem


def get_model(model, key):
    """The file whose content stands for a text-to-image model: its manifest, the model, or none for a name."""
    for manifest in (Path(model) / "manifest.json", Path(model).parent / "manifest.json"):
        if manifest.exists():
            return [str(manifest)]
    if Path(model).suffix in (".safetensors", ".pt") or model.count("/") > 1 or os.path.exists(model):
        found = map(Path, get_existing(model, key))
        return [str(path / "model_index.json" if path.is_dir() else path) for path in found]
    return []
