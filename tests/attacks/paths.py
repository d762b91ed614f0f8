"""Names that lead out of where they belong."""

from dataclasses import replace

from tests.attacks.ground import Command, Ground, attack, config_item, demo, items
from tests.far.bundles import Item, file_item

_FAMILY = "Paths that lead outside"


def _wheel(ground: Ground, *paths: str) -> list[Command]:
    return ground.install(ground.signed([demo("2.0", dict.fromkeys(paths, b"evil\n"))]))


def _placed(ground: Ground, item: Item, destination: str) -> list[Command]:
    placement = dict(item.artifact.placement) | {"destination": destination}
    return ground.install(
        ground.signed([replace(item, artifact=replace(item.artifact, placement=placement))])
    )


@attack(_FAMILY, "unsafe path")
def wheel_member_with_dot_dot(ground: Ground) -> list[Command]:
    """a wheel's member climbs out of site-packages by `..`"""
    return _wheel(ground, "../../../../../../outside/precious")


@attack(_FAMILY, "unsafe path")
def wheel_member_with_dot_dot_inside(ground: Ground) -> list[Command]:
    """a wheel's member has a `..` that stays inside"""
    return _wheel(ground, "demo/../evil.py")


@attack(_FAMILY, "unsafe path")
def wheel_member_absolute(ground: Ground) -> list[Command]:
    """a wheel's member is an absolute path"""
    return _wheel(ground, str(ground.outside / "planted"))


@attack(_FAMILY, "unsafe path")
def wheel_member_with_backslashes(ground: Ground) -> list[Command]:
    """a wheel's member uses the separators of another system"""
    return _wheel(ground, "..\\..\\evil.py")


@attack(_FAMILY, "unsafe path")
def wheel_member_with_an_empty_part(ground: Ground) -> list[Command]:
    """a wheel's member has an empty part"""
    return _wheel(ground, "demo//evil.py")


@attack(_FAMILY, "unsafe path")
def wheel_member_with_a_dot_part(ground: Ground) -> list[Command]:
    """a wheel's member has a part `.`, so that it is spelled in two ways"""
    return _wheel(ground, "demo/./evil.py")


@attack(_FAMILY, "unsafe path")
def wheel_member_with_a_nul(ground: Ground) -> list[Command]:
    """a wheel's member is cut by a NUL, after which it ends otherwise"""
    item = demo("2.0", {"demo/evilXpy": b"evil\n"})
    data = item.data.replace(b"demo/evilXpy", b"demo/evil\0py")
    from airlock.core.digest import digest_of

    artifact = replace(item.artifact, digest=digest_of(data), size=len(data))
    return ground.install(ground.signed([Item(artifact, data)]))


@attack(_FAMILY, "unsafe path")
def wheel_data_with_dot_dot(ground: Ground) -> list[Command]:
    """the data scheme of a wheel climbs out of the generation"""
    return _wheel(ground, "demo-2.0.data/data/../../../outside/precious")


@attack(_FAMILY, "unsafe path")
def wheel_scripts_with_dot_dot(ground: Ground) -> list[Command]:
    """the scripts scheme of a wheel climbs out of `bin`"""
    return _wheel(ground, "demo-2.0.data/scripts/../../evil")


@attack(_FAMILY, "unsafe path")
def wheel_pth_above_site_packages(ground: Ground) -> list[Command]:
    """a `.pth` of a wheel goes to another place than its site-packages"""
    return _wheel(ground, "../site-packages/../evil.pth")


@attack(_FAMILY, "not a wheel that can be installed")
def wheel_data_of_an_unknown_scheme(ground: Ground) -> list[Command]:
    """a wheel has data for a scheme that does not exist"""
    return _wheel(ground, "demo-2.0.data/elsewhere/evil")


@attack(_FAMILY, "unsafe path")
def file_destination_with_dot_dot(ground: Ground) -> list[Command]:
    """a file's destination climbs out of the generation"""
    return _placed(ground, file_item("share/a", b"evil"), "share/../../../state/trust/root.json")


@attack(_FAMILY, "unsafe path")
def file_destination_absolute(ground: Ground) -> list[Command]:
    """a file's destination is an absolute path"""
    return _placed(ground, file_item("share/a", b"evil"), str(ground.outside / "precious"))


@attack(_FAMILY, "reserved for the Python environment")
def file_onto_the_interpreter(ground: Ground) -> list[Command]:
    """a file takes the place of the generation's Python"""
    return _placed(ground, file_item("share/a", b"evil", "0755"), "bin/python3")


@attack(_FAMILY, "reserved for the Python environment")
def file_onto_the_environment(ground: Ground) -> list[Command]:
    """a file takes the place of `pyvenv.cfg`, which says where Python finds its library"""
    return _placed(ground, file_item("share/a", b"home = /tmp"), "pyvenv.cfg")


@attack(_FAMILY, "reserved for the Python environment")
def file_below_a_link_of_the_environment(ground: Ground) -> list[Command]:
    """a file goes through `lib64`, which is a link"""
    return _placed(ground, file_item("share/a", b"evil"), "lib64/evil.py")


@attack(_FAMILY, "unsafe path")
def config_destination_with_dot_dot(ground: Ground) -> list[Command]:
    """configuration that leaves its folder"""
    return _placed(ground, config_item("etc/a", b"evil"), "etc/../../../current/etc/app.toml")


@attack(_FAMILY, "reserved for the Python environment")
def config_onto_a_folder(ground: Ground) -> list[Command]:
    """configuration takes the place of `bin`"""
    return _placed(ground, config_item("etc/a", b"evil"), "bin")


@attack(_FAMILY, "not a file mode")
def file_with_set_id_bits(ground: Ground) -> list[Command]:
    """a file becomes a program that runs as its owner"""
    item = file_item("share/a", b"evil", "4755")
    return ground.install(ground.signed([item]))


@attack(_FAMILY, "unsafe path")
def exported_file_name_with_a_folder(ground: Ground) -> list[Command]:
    """the file name of an artifact leads out of the folder that `export` writes to"""
    bad = [
        replace(one, artifact=replace(one.artifact, file="../../outside/precious"))
        for one in items("2.0")[:1]
    ]
    data = ground.signed(bad)
    file = ground.put("hostile.airlock", data)
    return [*ground.everywhere(data), ("export", file, "--all", str(ground.machine / "tmp"))]


@attack(_FAMILY, "not a file name")
def entry_point_with_a_slash(ground: Ground) -> list[Command]:
    """the name of an entry point is a path"""
    return ground.install(
        ground.signed([demo("2.0", entry_points="[console_scripts]\n../evil = demo:main\n")])
    )


@attack(_FAMILY, "unsafe path")
def entry_point_named_dot_dot(ground: Ground) -> list[Command]:
    """the name of an entry point is the folder above"""
    return ground.install(ground.signed([demo("2.0", entry_points="[console_scripts]\n.. = demo:main\n")]))


@attack(_FAMILY, "has it already")
def entry_point_onto_the_interpreter(ground: Ground) -> list[Command]:
    """an entry point takes the place of the generation's Python"""
    return ground.install(
        ground.signed([demo("2.0", entry_points="[console_scripts]\npython = demo:main\n")])
    )
