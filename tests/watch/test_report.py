"""What `observe` writes, as a person sees it: in Chromium, which may ask nobody for anything."""

from collections.abc import Iterator

import polars as pl
import pytest
from playwright.sync_api import Page, sync_playwright

from support.site import Site

# On the same worker as the drills, whose project it uses.
pytestmark = pytest.mark.xdist_group("drills")

CHROMIUM = "/usr/bin/chromium"
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
ROWS = 400


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that notes in `asked` what it wants from elsewhere, and in `complaints` its errors."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *QUIET]
        )
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.asked, page.complaints = [], []  # type: ignore[attr-defined]
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page
        browser.close()


def test_report_tells_and_shows_what_is_wrong(site: Site, page: Page) -> None:
    rows = site.valid().drop_nulls("late").sample(ROWS, seed=1)
    with site.running("serve"):
        site.send(rows.with_columns(pl.col("dep_delay") + 20))
    site.label(rows)
    site.run("observe", expect=3)

    path = site.folder / "reports/observation.html"
    page.goto(path.as_uri())
    assert page.title() == f"{site.name}: something is wrong"
    assert page.get_by_text("FeatureDrifted").first.is_visible()
    headings = page.locator("h2").all_inner_texts()
    assert {"Quality", "Slices", "Labels", "Drift", "Pictures"} <= set(headings)
    pictures = page.locator("figure img")
    widths = pictures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(widths) > 5
    assert min(widths) > 100
    asked = [url for url in page.asked if not url.startswith("data:")]  # type: ignore[attr-defined]
    assert asked == [path.as_uri()]
    assert page.complaints == []  # type: ignore[attr-defined]
    for width in (1000, 360):
        page.set_viewport_size({"width": width, "height": 800})
        content = page.evaluate("document.documentElement.scrollWidth")
        assert content <= width, f"{content} pixels in a window of {width}"
