// SPDX-License-Identifier: Apache-2.0
// The page around the sections: one style sheet for light and dark, whose colours keep a contrast
// of 4.5 for letters and 3 for marks on both grounds.
#include <fmt/format.h>

#include "report/html.hpp"

namespace hb {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;
--ground:#fff;--text:#1b1f24;--soft:#57606a;--rule:#d0d7de;--panel:#f6f8fa;--link:#0b57d0;
--s0:#0b62c4;--s1:#c2410c;--s2:#15803d;--s3:#7e22ce;--s4:#a16207;--s5:#be185d;--s6:#0f766e;--s7:#4b5563;
--h0:#f1f5fb;--h1:#dbe8f8;--h2:#c0d7f2;--h3:#9cc1ea;--h4:#78a9e0;--h5:#2f6fbf;--h6:#1c559c;--h7:#103a70;
--weak:#111827;--strong:#fff}
@media(prefers-color-scheme:dark){:root{
--ground:#0f1419;--text:#e6edf3;--soft:#9aa7b4;--rule:#363e48;--panel:#171d24;--link:#79b8ff;
--s0:#6cb6ff;--s1:#ff9b6b;--s2:#6bd68f;--s3:#cf9bff;--s4:#e3b341;--s5:#ff8ac0;--s6:#4fd1c5;--s7:#b1bac4;
--h0:#17202b;--h1:#182a3d;--h2:#1c3a58;--h3:#204b75;--h4:#255e94;--h5:#6aa9e9;--h6:#94c4f5;--h7:#c3e0ff;
--weak:#f0f6fc;--strong:#0b1118}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header,main,footer{max-width:68rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.6rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .3rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.4rem 0 .5rem;padding-top:.6rem;border-top:1px solid var(--rule)}
h3{font-size:1.02rem;margin:1.4rem 0 .3rem}
p{margin:.5rem 0;max-width:46rem}
.lead,footer{color:var(--soft)}
a{color:var(--link)}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;margin:.8rem 0 0;padding:0}
nav a{display:inline-block;padding:.25rem 0}
.scroll{overflow-x:auto;margin:.8rem 0;border:1px solid var(--rule);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft)}
caption span{display:block;position:sticky;left:0;width:min(100%,100vw - 2.2rem);padding:.6rem .8rem}
th,td{padding:.35rem .8rem;text-align:left;border-top:1px solid var(--rule);white-space:nowrap}
td.wide{white-space:normal;min-width:10rem;overflow-wrap:anywhere}
@media(max-width:40rem){th,td{padding:.35rem .5rem}table{font-size:.84rem}}
thead th{background:var(--panel);font-weight:600}
tbody th{font-weight:500}
.n{text-align:right}
tbody tr:hover>*{background:var(--panel)}
figure{margin:1rem 0;max-width:34rem;min-width:0}
figcaption{color:var(--soft);font-size:.9rem;margin-bottom:.4rem}
.grid-of{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:0 1.6rem}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1rem;list-style:none;margin:.2rem 0 .4rem;padding:0;font-size:.88rem}
.legend li{display:flex;align-items:center;gap:.35rem}
svg{display:block;width:100%;height:auto;font:10.5px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg.swatch{width:24px;height:14px;flex:none}
details{margin:.6rem 0}
summary{cursor:pointer;color:var(--link);padding:.3rem 0}
.grid{stroke:var(--rule);stroke-width:.6;fill:none}
.axis{stroke:var(--soft);fill:none}
.tick,.name{fill:var(--soft)}
.label{fill:var(--text)}
.mid{text-anchor:middle}.end{text-anchor:end}
.line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}
.dashed{stroke-dasharray:5 3}
.pareto{fill:none;stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 3}
.spot{fill:transparent}
.spot:hover{fill:var(--soft)}
.solid{fill:currentColor;stroke:var(--ground);stroke-width:.6}
.bar{fill:currentColor}
.hollow{fill:var(--ground);stroke:currentColor;stroke-width:1.8}
.cell{text-anchor:middle;font-size:9.5px}
.weak{fill:var(--weak)}.strong{fill:var(--strong)}
)";

std::string style() {
    std::string text(kStyle);
    for (int i = 0; i < kSeriesColours; ++i)
        text += fmt::format(".s{0}{{color:var(--s{0})}}.h{0}{{fill:var(--h{0})}}\n", i);
    return text;
}

}  // namespace

std::string html_page(std::string_view title, std::string_view description,
                      const std::vector<HtmlSection>& sections, std::string_view footer) {
    std::string out = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
        "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<header>\n<h1>{0}</h1>\n"
        "<p class=\"lead\">{2}</p>\n<nav aria-label=\"Sections\"><ul>",
        escaped(title), style(), escaped(description));
    for (const HtmlSection& section : sections)
        out += fmt::format("<li><a href=\"#{}\">{}</a></li>", section.id, escaped(section.title));
    out += "</ul></nav>\n</header>\n<main>\n";
    for (const HtmlSection& section : sections)
        out += fmt::format(
            "<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n{2}"
            "</section>\n",
            section.id, escaped(section.title), section.body);
    return out +
           fmt::format("</main>\n<footer><p>{}</p></footer>\n</body>\n</html>\n", escaped(footer));
}

}  // namespace hb
