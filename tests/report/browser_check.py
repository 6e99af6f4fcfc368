#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens a report in headless Chromium, as a phone and as a desktop, light and dark: nothing may be
wider than the screen, nothing fetched, nothing complained of, and axe-core may find no violation.

    browser_check.py REPORT.html [--shots FOLDER]

Wants `pip install playwright axe-core-python` and a Chromium that is installed already
(chromium-headless-shell of Debian, or CHROMIUM=path). Without them it says "skipped" and leaves
with status 77. Contrast inside charts, which axe-core leaves out, is computed here.
"""

import argparse
import os
import pathlib
import shutil
import sys

SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}

CHARTS = """() => {
  const channels = c => c.match(/[0-9.]+/g).map(Number);
  const light = c => { const [r, g, b] = channels(c).map(x => { x /= 255;
    return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + .05) / (y + .05); };
  const ground = getComputedStyle(document.body).backgroundColor, bad = [];
  for (const svg of document.querySelectorAll('svg[role=img]')) {
    if (!svg.getAttribute('aria-label')) bad.push('a chart without a name');
    for (const text of svg.querySelectorAll('text')) {
      const rect = text.parentNode.querySelector(':scope > rect');
      const behind = text.parentNode.tagName === 'g' ? getComputedStyle(rect).fill : ground;
      const ratio = contrast(getComputedStyle(text).fill, behind);
      if (ratio < 4.5) bad.push(`"${text.textContent}" has a contrast of ${ratio.toFixed(2)}`);
      const at = text.getBBox(), all = svg.viewBox.baseVal;
      if (at.x < -1 || at.x + at.width > all.width + 1 || at.y + at.height > all.height + 1)
        bad.push(`"${text.textContent}" is cut off`);
    }
    for (const mark of svg.querySelectorAll('.solid, .hollow, .line')) {
      const ratio = contrast(getComputedStyle(mark).color, ground);
      if (ratio < 3) bad.push(`${mark.getAttribute('class')} has a contrast of ${ratio.toFixed(2)}`);
    }
  }
  const levels = [...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]));
  levels.forEach((level, i) => { if (level > (i ? levels[i - 1] : 0) + 1) bad.push('a heading skips a level'); });
  return [...new Set(bad)];
}"""


def skip(why):
    print(f"browser_check: skipped, {why}")
    sys.exit(77)


def chromium():
    named = os.environ.get("CHROMIUM")
    names = [named] if named else ["chromium-headless-shell", "chromium", "chromium-browser"]
    return next((path for name in names if (path := shutil.which(name))), None)


def check(page, axe, url, screen, theme, shots):
    problems = []
    page.on("console", lambda m: problems.append(f"console: {m.text}"))
    page.on("pageerror", lambda e: problems.append(f"error: {e}"))
    page.on("request", lambda r: r.url != url and problems.append(f"request: {r.url}"))
    page.goto(url)
    if shots:
        page.screenshot(path=shots / f"{screen}-{theme}.png")
        page.screenshot(path=shots / f"{screen}-{theme}-whole.png", full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    if (wide := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
        problems.append(f"the page is {wide} pixels wider than the screen")
    problems += page.evaluate(CHARTS)
    page.evaluate(axe)
    result = page.evaluate("axe.run()")
    for found in result["violations"]:
        problems.append(f"axe {found['id']}: {found['help']}: {found['nodes'][0]['html'][:120]}")
    if not page.query_selector("svg[role=img]"):
        problems.append("no chart")
    return problems, len(result["passes"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--shots", type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        import axe_core_python
        from playwright.sync_api import sync_playwright
    except ImportError as missing:
        skip(str(missing))
    if not (browser_path := chromium()):
        skip("no Chromium on the path")
    axe = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
    if arguments.shots:
        arguments.shots.mkdir(parents=True, exist_ok=True)
    size = arguments.report.stat().st_size
    bad = 0 if size <= 3_000_000 else print(f"the page has {size} bytes, more than 3 MB") or 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path)
        for screen, (width, height) in SCREENS.items():
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme)
                problems, passes = check(context.new_page(), axe, arguments.report.resolve().as_uri(),
                                         screen, theme, arguments.shots)
                print(f"{screen} {theme}: {passes} axe rules passed, {len(problems)} problems")
                for problem in problems[:20]:
                    print("   ", problem)
                bad += len(problems)
                context.close()
        browser.close()
    print(f"browser_check: {'passed' if bad == 0 else 'failed'}, {size} bytes")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
