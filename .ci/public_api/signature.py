"""Signatures as they would be written in Rust, from the JSON of rustdoc."""

WORDS = {"module": "mod", "macro": "macro", "proc_macro": "macro"}


def signature(index, item, path):
    kind, inner = next(iter(item["inner"].items()))
    if kind == "function":
        return function_text(path, inner)
    if kind in ("struct", "enum", "union"):
        return f"{kind} {path}{generics_text(inner['generics'])}"
    if kind == "trait":
        bounds = f": {bounds_text(inner['bounds'])}" if inner["bounds"] else ""
        return f"trait {path}{generics_text(inner['generics'])}{bounds}"
    if kind == "type_alias":
        return f"type {path}{generics_text(inner['generics'])} = {type_text(inner['type'])}"
    if kind in ("constant", "assoc_const"):
        return f"const {path}: {type_text(inner['type'])}"
    if kind == "static":
        return f"static {path}: {type_text(inner['type'])}"
    if kind == "assoc_type":
        return f"type {path}" + (f": {bounds_text(inner['bounds'])}" if inner["bounds"] else "")
    if kind == "struct_field":
        return f"field {path}: {type_text(inner)}"
    if kind == "variant":
        form = inner["kind"]
        if form == "plain" or "struct" in form:
            return f"variant {path}" + ("" if form == "plain" else " { .. }")
        fields = [index[str(id_)]["inner"]["struct_field"] if id_ is not None else None for id_ in form["tuple"]]
        return f"variant {path}({', '.join(type_text(type_) if type_ else '_' for type_ in fields)})"
    return f"{WORDS[kind]} {path}"


def function_text(path, function):
    generics, output = function["generics"], function["sig"]["output"]
    is_async = function["header"]["is_async"]
    # The attribute `async_trait` boxes the future and names the lifetimes. It is shown as it was written.
    boxed = any(parameter["name"] == "'async_trait" for parameter in generics["params"])
    if boxed:
        is_async, output = True, boxed_output(output)
        generics = {"params": [p for p in generics["params"] if "lifetime" not in p["kind"]], "where_predicates": []}
    words = "const " if function["header"]["is_const"] else ""
    words += ("async " if is_async else "") + ("unsafe " if function["header"]["is_unsafe"] else "")
    inputs = ", ".join(input_text(name, type_) for name, type_ in function["sig"]["inputs"])
    result = f" -> {type_text(output)}" if output and output != {"tuple": []} else ""
    text = f"{words}fn {path}{generics_text(generics, where=False)}({inputs}){result}{where_text(generics)}"
    return text.replace("'life0 ", "").replace("'life1 ", "").replace("'life2 ", "") if boxed else text


def boxed_output(output):
    future = output["resolved_path"]["args"]["angle_bracketed"]["args"][0]["type"]["resolved_path"]["args"]
    bound = future["angle_bracketed"]["args"][0]["type"]["dyn_trait"]["traits"][0]["trait"]
    return bound["args"]["angle_bracketed"]["constraints"][0]["binding"]["equality"]["type"]


def input_text(name, type_):
    if name == "self":
        if type_ == {"generic": "Self"}:
            return "self"
        reference = type_.get("borrowed_ref")
        if reference and reference["type"] == {"generic": "Self"}:
            return type_text(type_).replace("Self", "self")
    return f"{name}: {type_text(type_)}"


def generics_text(generics, where=True):
    shown = [parameter_text(parameter) for parameter in generics["params"] if not is_synthetic(parameter)]
    text = f"<{', '.join(shown)}>" if shown else ""
    return text + (where_text(generics) if where else "")


def is_synthetic(parameter):
    return parameter["kind"].get("type", {}).get("is_synthetic", False)


def parameter_text(parameter):
    kind, inner = next(iter(parameter["kind"].items()))
    if kind == "const":
        return f"const {parameter['name']}: {type_text(inner['type'])}"
    if kind == "lifetime":
        return parameter["name"] + (f": {' + '.join(inner['outlives'])}" if inner["outlives"] else "")
    text = parameter["name"] + (f": {bounds_text(inner['bounds'])}" if inner["bounds"] else "")
    return text + (f" = {type_text(inner['default'])}" if inner["default"] else "")


def where_text(generics):
    parts = []
    for predicate in generics["where_predicates"]:
        kind, inner = next(iter(predicate.items()))
        if kind == "bound_predicate":
            parts.append(f"{higher_ranked(inner['generic_params'])}{type_text(inner['type'])}: {bounds_text(inner['bounds'])}")
        elif kind == "lifetime_predicate":
            parts.append(f"{inner['lifetime']}: {' + '.join(inner['outlives'])}")
        else:
            parts.append(f"{type_text(inner['lhs'])} = {term_text(inner['rhs'])}")
    return f" where {', '.join(parts)}" if parts else ""


def bounds_text(bounds):
    return " + ".join(bound_text(bound) for bound in bounds)


def bound_text(bound):
    kind, inner = next(iter(bound.items()))
    if kind == "outlives":
        return inner
    if kind == "use":
        return f"use<{', '.join(next(iter(argument.values())) for argument in inner)}>"
    sign = {"none": "", "maybe": "?", "maybe_const": "~const "}[inner["modifier"]]
    return f"{higher_ranked(inner['generic_params'])}{sign}{path_text(inner['trait'])}"


def higher_ranked(parameters):
    return f"for<{', '.join(parameter['name'] for parameter in parameters)}> " if parameters else ""


def path_text(path):
    """A path without its modules: the name says enough to see a change."""
    return path["path"].rpartition("::")[2] + arguments_text(path["args"])


def arguments_text(arguments):
    if not arguments:
        return ""
    kind, inner = next(iter(arguments.items()))
    if kind == "parenthesized":
        output = f" -> {type_text(inner['output'])}" if inner["output"] else ""
        return f"({', '.join(type_text(type_) for type_ in inner['inputs'])}){output}"
    if kind == "return_type_notation":
        return "(..)"
    shown = [argument_text(argument) for argument in inner["args"]]
    for constraint in inner["constraints"]:
        name, binding = constraint["name"] + arguments_text(constraint["args"]), constraint["binding"]
        shown.append(f"{name} = {term_text(binding['equality'])}" if "equality" in binding else f"{name}: {bounds_text(binding['constraint'])}")
    return f"<{', '.join(shown)}>" if shown else ""


def argument_text(argument):
    if argument == "infer":
        return "_"
    kind, inner = next(iter(argument.items()))
    return inner if kind == "lifetime" else inner["expr"] if kind == "const" else type_text(inner)


def term_text(term):
    return type_text(term["type"]) if "type" in term else term["constant"]["expr"]


def type_text(type_):
    if type_ == "infer":
        return "_"
    kind, inner = next(iter(type_.items()))
    if kind == "resolved_path":
        return path_text(inner)
    if kind in ("generic", "primitive"):
        return "!" if inner == "never" else inner
    if kind == "borrowed_ref":
        lifetime = f"{inner['lifetime']} " if inner["lifetime"] else ""
        return f"&{lifetime}{'mut ' if inner['is_mutable'] else ''}{type_text(inner['type'])}"
    if kind == "raw_pointer":
        return f"*{'mut' if inner['is_mutable'] else 'const'} {type_text(inner['type'])}"
    if kind == "slice":
        return f"[{type_text(inner)}]"
    if kind == "array":
        return f"[{type_text(inner['type'])}; {inner['len']}]"
    if kind == "tuple":
        return f"({', '.join(type_text(part) for part in inner)}{',' if len(inner) == 1 else ''})"
    if kind == "impl_trait":
        return f"impl {bounds_text(inner)}"
    if kind == "dyn_trait":
        parts = [higher_ranked(part["generic_params"]) + path_text(part["trait"]) for part in inner["traits"]]
        return f"dyn {' + '.join(parts + ([inner['lifetime']] if inner['lifetime'] else []))}"
    if kind == "qualified_path":
        owner = type_text(inner["self_type"])
        if inner["trait"] and inner["trait"]["path"]:
            owner = f"<{owner} as {path_text(inner['trait'])}>"
        return f"{owner}::{inner['name']}{arguments_text(inner['args'])}"
    if kind == "function_pointer":
        inputs = ", ".join(type_text(input_) for _, input_ in inner["sig"]["inputs"])
        output = f" -> {type_text(inner['sig']['output'])}" if inner["sig"]["output"] else ""
        return f"{higher_ranked(inner['generic_params'])}fn({inputs}){output}"
    raise ValueError(f"a type of the kind {kind} is new to signature.py")
