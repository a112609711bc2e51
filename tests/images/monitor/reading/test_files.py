"""files.py: nothing leads out of the folder, nothing unusual is opened or read without a limit."""

import errno
import os

import pytest

from monitor.reading import files
from monitor.reading.files import LIMIT, Tree, UnreadableError


@pytest.fixture
def tree(build):
    build.write("in/file.txt", "text")
    return Tree(build.root)


def test_file_inside_is_read(tree):
    assert tree.text("in/file.txt") == "text"


def test_folder_is_opened_once_for_many_files(tree):
    with tree.inside("in") as folder:
        (tree.root / "in").rename(tree.root / "elsewhere")
        assert folder.text("file.txt") == "text"


@pytest.mark.parametrize(
    "name", ["../x", "in/../../x", "/etc/passwd", "in//file.txt", "in/\0", "."]
)
def test_name_that_is_no_path_inside_is_refused(tree, name):
    with pytest.raises(UnreadableError, match="no path inside"):
        tree.text(name)


@pytest.mark.parametrize("name", ["in/absent", "absent/file", "in/file.txt/below"])
def test_absent_file_is_not_found(tree, name):
    with pytest.raises(FileNotFoundError):
        tree.text(name)


def test_link_is_not_followed_even_inside(tree):
    (tree.root / "in/link").symlink_to("file.txt")
    with pytest.raises(UnreadableError, match="symbolic link"):
        tree.text("in/link")


def test_linked_folder_is_not_followed(tree):
    (tree.root / "folder").symlink_to("in")
    with pytest.raises(UnreadableError, match="symbolic link"):
        tree.text("folder/file.txt")


def test_named_pipe_is_refused_without_waiting(tree):
    os.mkfifo(tree.root / "pipe")
    with pytest.raises(UnreadableError, match="not a regular file"):
        tree.text("pipe")


@pytest.mark.parametrize("read", [Tree.text, Tree.open])
def test_folder_is_no_file(tree, read):
    with pytest.raises(UnreadableError, match="not a regular file"):
        read(tree, "in")


def test_huge_file_is_refused(build, tree):
    build.write("huge.json", " " * (LIMIT + 1))
    with pytest.raises(UnreadableError, match="larger than"):
        tree.record("huge.json")


def test_largest_file_is_read_whole(build, tree):
    build.write("large.txt", "x" * LIMIT)
    assert len(tree.bytes("large.txt")) == LIMIT


def test_file_that_may_be_larger_has_a_limit_of_its_own(build, tree):
    build.write("large.json", '{"a": 1}' + " " * LIMIT)
    assert tree.record("large.json", 2 * LIMIT).content == {"a": 1}
    with pytest.raises(UnreadableError, match=f"larger than {LIMIT + 1} bytes"):
        tree.record("large.json", LIMIT + 1)


@pytest.mark.parametrize("text", ["", '{"a": 1', "nonsense", "[" * 5000, "9" * 5000])
def test_damaged_json_is_refused(build, tree, text):
    build.write("damaged.json", text)
    with pytest.raises(UnreadableError, match="JSON"):
        tree.record("damaged.json")


def test_json_that_is_no_object_is_refused(build, tree):
    build.write("list.json", "[1]")
    with pytest.raises(UnreadableError, match="no JSON object"):
        tree.record("list.json")


def test_bytes_that_are_no_utf8_are_replaced(tree):
    (tree.root / "latin.txt").write_bytes(b"caf\xe9")
    assert tree.text("latin.txt") == "caf\ufffd"


def test_file_that_another_host_replaced_while_it_was_read_is_not_found(tree, monkeypatch):
    def read(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(files.os, "read", read)
    with pytest.raises(FileNotFoundError):
        tree.bytes("in/file.txt")


def test_hidden_names_are_left_out_of_a_folder(build, tree):
    build.write("in/.scratch-1/part", "")
    assert [entry.name for entry in tree.entries("in")] == ["file.txt"]


def test_file_has_no_entries(tree):
    assert tree.entries("in/file.txt") == []


def test_folder_size_is_the_sum_of_its_files_without_links(build, tree):
    build.write("in/deeper/other", "12345")
    (tree.root / "in/link").symlink_to("file.txt")
    assert tree.size("in/") == 9


@pytest.mark.parametrize("name", ["in", "in/file.txt/", "absent", "absent/", "in/" * 40])
def test_size_of_the_absent_or_the_wrong_kind_is_none(tree, name):
    assert tree.size(name) is None


@pytest.fixture
def signature(tree):
    def sign():
        return tree.signature("")

    return sign


def test_signature_of_what_is_as_it_was_is_the_same(tree, signature):
    before = signature()
    tree.text("in/file.txt")
    assert signature() == before


def test_signature_changes_with_each_file_of_a_folders_folders(build, tree, signature):
    seen = {signature()}
    build.write("in/file.txt", "longer")
    seen.add(signature())
    os.utime(tree.root / "in/file.txt", (1000, 1000))
    seen.add(signature())
    (tree.root / "in/file.txt").rename(tree.root / "in/other.txt")
    seen.add(signature())
    (tree.root / "in/other.txt").unlink()
    seen.add(signature())
    build.write("new/file.txt", "")
    seen.add(signature())
    assert len(seen) == 6


def test_signature_leaves_hidden_and_linked_folders_out(build, tree, signature):
    before = signature()
    build.write(".hidden/file", "x")
    (tree.root / "link").symlink_to("in")
    assert signature() == before
