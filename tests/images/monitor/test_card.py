"""The page of the model card, and the Markdown that it is read from."""

import pytest
from tests.images.conftest import Volume as Stages

from monitor.reading.markdown import Block, read_blocks


def test_published_card_is_shown(finished: Stages, serve):
    found = serve(SHARED_VOLUME=finished.path).get("/model/card").text
    assert ">Model card: advertising</h1>" in found
    assert '<td class="message">ROC AUC</td>' in found
    assert "joblib.load(&#34;model/logistic_regression_model.pkl&#34;)" in found
    assert "\\_" not in found


def test_text_of_a_card_is_never_markup_or_template(build, page):
    build.publish(release="first")
    hostile = "<script>alert(1)</script> {{ 7 * 7 }} {% raw %}"
    forms = ("# {}", "- {}", "| {} |\n| --- |\n| {} |", "{}", "```\n{}")
    text = "\n\n".join(form.replace("{}", hostile) for form in forms)
    build.write("model/releases/first/model_card.md", text)
    found = page("/model/card")
    assert "<script>alert" not in found
    assert found.count("&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }} {% raw %}") == 6


def test_card_that_is_not_there_is_not_found(build, client):
    answer = client.get("/model/card")
    assert (answer.status_code, "No model is published yet" in answer.text) == (404, True)
    build.publish()
    answer = client.get("/model/card")
    assert (answer.status_code, "an older version made it" in answer.text) == (404, True)


def test_card_behind_a_link_is_not_shown(build, client):
    build.publish(release="first")
    (build.root / "model/releases/first/model_card.md").symlink_to("/etc/hostname")
    answer = client.get("/model/card")
    assert answer.status_code == 404
    assert "is behind a symbolic link" in answer.text


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("## A \\# b", [Block("heading", ["A # b"], level=2)]),
        ("- a\n- b \\*", [Block("list", ["a", "b *"])]),
        ("| a | b |\n| --- | --- |\n| 1 \\| 2 | \\\\ |",
         [Block("table", rows=[["a", "b"], ["1 | 2", "\\"]])]),
        ("```python\nx\n\n# y\n```\nz",
         [Block("code", ["x", "", "# y"]), Block("paragraph", ["z"])]),
        ("```\nx", [Block("code", ["x", ""])]),
        ("| a", [Block("paragraph", ["| a"])]),
        ("a\nb\n\nc", [Block("paragraph", ["a b"]), Block("paragraph", ["c"])]),
        ("", []),
    ],
)  # fmt: skip
def test_markdown_is_read_as_blocks(text, blocks):
    assert list(read_blocks(text)) == blocks
