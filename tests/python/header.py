"""The public headers as the compiler sees them: what there is to declare once more in Python."""
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HEADERS = ("cudrop.h", "transformer.h", "attention.h", "attend.h")


def read_headers() -> str:
    """Their text without comments, and without what macros of C alone are made of."""
    text = "\n".join((SOURCE / "include/cudrop" / name).read_text() for name in HEADERS)
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    return re.sub(r"#if !defined\(__cplusplus\).*?#endif", "", text, flags=re.DOTALL)


def find_structs(text: str) -> dict:
    """The members of every struct that has a body, by the struct's name."""
    structs = {}
    for body, name in re.findall(r"typedef struct\s*\{(.*?)\}\s*(\w+);", text, re.DOTALL):
        members = []
        for declaration in filter(str.strip, body.split(";")):
            kind = re.match(r"\s*(?:const\s+)?\w+", declaration)
            for declarator in declaration[kind.end():].split(","):
                members.append(re.search(r"\w+", declarator).group())
        structs[name] = members
    return structs


def find_lists(text: str) -> dict:
    """The X-lists, CUDROP_..._LIST: (name, value) pairs by the list's name."""
    joined = text.replace("\\\n", " ")
    lists = {}
    for name, body in re.findall(r"#define CUDROP_(\w+)_LIST\(X\)([^\n]*)", joined):
        pairs = re.findall(r"X\((\w+),\s*(\d+)", body)
        lists[name] = {word: int(value) for word, value in pairs}
    return lists


def find_enums(text: str) -> dict:
    """The enums that are written out: (name, value) pairs by the enum's name."""
    enums = {}
    for body, name in re.findall(r"typedef enum\s*\{([^#}]*)\}\s*(\w+);", text):
        pairs = re.findall(r"CUDROP_(\w+)\s*=\s*(\d+)", body)
        enums[name] = {word: int(value) for word, value in pairs}
    return enums


def find_calls(text: str) -> dict:
    """What every function returns and takes, as words of C, by its name: ("int", ["size_t", ...]).
    A pointer is "pointer", but for pointers to pointers and structs, which keep their name."""
    calls = {}
    pattern = r"CUDROP_(API|CHECKED)\s+([\w\s*]+?)(\**cudrop_\w+)\(([^)]*)\);"
    for _, result, name, arguments in re.findall(pattern, text):
        stars = result.count("*") + name.count("*")
        taken = [] if arguments.strip() == "void" else [
            _name_type(*_split(argument)) for argument in arguments.split(",")]
        calls[name.lstrip("*")] = (_name_type(result, stars), taken)
    return calls


def _split(argument: str):
    """Type and stars of `const T *name`."""
    return re.sub(r"\w+\s*$", "", argument.strip()), argument.count("*")


def _name_type(words: str, stars: int) -> str:
    return " ".join(re.sub(r"\bconst\b|\*", " ", words).split()) + "*" * stars
