# SPDX-License-Identifier: Apache-2.0
"""Writes chat.json: templates of our own that use the constructs of the Llama, Mistral, Qwen and SmolLM families, and
what jinja2 renders from a few conversations (null: jinja2 refuses). Also small snippets, one construct each."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import chat_reference  # noqa: E402

TEMPLATES = {
    "chatml": "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}"
              "{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "headers": """{{- bos_token }}
{#- a comment, gone #}
{%- if tools is not defined or not tools %}
    {%- set tools = none %}
{%- endif %}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set head = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set head = "" %}
{%- endif %}
{{- "<h>system</h>\\n" + "Date: " + strftime_now("%d %b %Y") + "\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- head }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<h>' + message['role'] + '</h>\\n' + message['content'] | trim + '<e>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call only") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- "}" }}
    {%- else %}
        {{- "<h>tool</h>" }}{% if message.content is mapping or message.content is iterable %}{{ message.content | tojson }}{% endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<h>assistant</h>\\n' }}{%- endif %}
""",
    "alternating": """{%- if messages and messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set rest = messages %}
{%- endif %}
{%- set users = rest | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in rest if message.role != "tool" %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("roles must alternate, not " ~ message.role) }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in rest %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[I]" + system_message + "\\n\\n" + message["content"] + "[/I]" }}
        {%- elif message == users[-1] and tools %}
            {{- "[T] [" }}
            {%- for key, value in tools[0].function.items() if key != "return" %}
                {%- if value is string %}{{- '"' + key + '": "' + value + '"' }}{%- else %}{{- '"' + key + '": ' + value|tojson }}{%- endif %}
                {%- if not loop.last %}{{- ", " }}{%- endif %}
            {%- endfor %}
            {{- "][/T][I]" + message.content + "[/I]" }}
        {%- else %}
            {{- "[I]" + message["content"] + "[/I]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {%- for call in message.tool_calls %}
            {%- set out = call.function|tojson %}
            {{- out[:-1] }}
            {%- if call.id is not defined or call.id|length != 9 %}{{- raise_exception("nine characters") }}{%- endif %}
            {{- ', "id": "' + call.id + '"}' }}
        {%- endfor %}
        {{- eos_token }}
    {%- elif message["role"] == "assistant" %}{{- " " + message["content"]|trim + eos_token }}
    {%- endif %}
{%- endfor %}
""",
    "thinking": """{%- macro plain(content, mark=false) %}
{%- if content is string %}{{ content }}
{%- elif content is iterable and content is not mapping %}
{%- for part in content %}
{%- if 'text' in part %}{{ part.text }}{% elif mark %}<?>{% endif %}
{%- endfor %}
{%- elif content is none or content is undefined %}{{ '' }}
{%- endif %}
{%- endmacro %}
{%- set ns = namespace(multi=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi and message.role == "user" and message.content is string and not(message.content.startswith('<r>') and message.content.endswith('</r>')) %}
        {%- set ns.multi = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = plain(message.content, mark=true) %}
    {%- if message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {{- '<a>\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content }}
        {%- else %}{{- '<a>\\n' + content }}{%- endif %}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<u>' }}{%- endif %}
        {{- '\\n<r>\\n' }}{{- content }}{{- '\\n</r>' }}
    {%- else %}
        {{- '<' + message.role[0] + '>\\n' + content + '<end>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<a>\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
""",
    "schema": """{%- macro type_of(spec) -%}
{%- if spec.type is string -%}{%- if spec.type == 'array' -%}{{ type_of(spec['items']) + '[]' }}
{%- elif spec.type == 'object' -%}{
{%- for key, value in (spec.properties or {}).items() -%}
{{ key }}{{ '?' if key not in spec.required|default([]) }}: {{ type_of(value) }}{{ ', ' if not loop.last }}
{%- endfor -%} }
{%- else -%}{{ {'string': 'str', 'number': 'float'}.get(spec.type, spec.type) }}{%- endif -%}
{%- elif spec.type is iterable -%}{{ spec.type | join(' | ') }}
{%- endif -%}
{%- endmacro -%}
{% for tool in tools or [] %}
  # {{ loop.index }}/{{ loop.length }} {{ tool.function.name | upper }}
  {% set about %}
{{ tool.function.description }}
  {% endset %}
{{ about | indent(2, first=true) }}
{{ type_of(tool.function.parameters) }}
  {% for key, value in tool.function.parameters.properties | dictsort %}
    {{- key }}={{ value.get('description', '-') | replace('<', '&lt;') }};
  {%- endfor %}

{% else %}
no tools
{% endfor %}
{{ messages | map(attribute='role') | unique | join(', ') }}
""",
    "control": """{% for message in messages %}
  {% if message.role == 'system' %}
    {% continue %}
  {% endif %}
  {% generation %}
  {{ loop.index }}: {{ message.role }} {{ loop.previtem.role if loop.previtem is defined else 'first' }} {{ loop.nextitem is undefined }}
  {% endgeneration %}
  {% if loop.index >= 2 %}{% break %}{% endif %}
{% else %}
nothing
{% endfor %}
{% raw %}{{ raw }} {% if %}{% endraw %}
{%+ if true +%} kept {%+ endif %}
{% filter upper | replace('A', '[a]') %}shout {{ messages | length }}{% endfilter %}
""",
}

VALUES = {"s": "Hello, Wörld  x", "n": 7, "f": 2.5, "no": None, "yes": True, "l": [3, 1, 2], "names": ["b", "A", "c", "b"], "q": "it's \"q\"\n\t\\ é\u200b",
          "d": {"b": 1, "a": [1, {"x": None}], "items": 5}, "m": [{"role": "user", "n": 2, "k": {"z": 1}}, {"role": "system", "n": 1}, {"role": "user"}],
          "lines": "a\nb\r\nc\n\nd", "big": 1e22, "small": 1e-07, "empty": ""}
SNIPPETS = [
    "{{ [no, yes, 1, 2.0, big, small, s, (1,), {'k': [no]}, q] }}", "{{ d }} {{ d.items is callable }}", "{{ d.items() | list }} {{ d['items'] }} {{ d.keys() | list }}",
    "{{ missing }}|{{ no.x }}|{{ d.zz }}", "{{ missing.x }}", "{{ d.zz.y }}", "{{ missing | default('D') }} {{ empty | default('E') }} {{ empty | default('E', true) }}",
    "{{ s[0] }}{{ s[-1] }}{{ s[7:12] }}{{ s[::-1] }}{{ l[5:0:-2] }}{{ l[9] }}{{ l[-1] }}", "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ -2 ** 2 }} {{ 7.5 % -2 }}",
    "{{ (1 + 2) ~ 3 * 4 }} {{ 'a' 'b' ~ 1 }} {{ [1] + [2] }} {{ 'ab' * 2 }} {{ not yes or yes }}", "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == yes }} {{ 'a' in s }} {{ 3 not in l }}",
    "{{ 'x' if yes }}{{ 'x' if not yes }}{{ 'a' if no else 'b' if yes else 'c' }}", "{{ names | sort }} {{ names | sort(case_sensitive=true) }} {{ names | sort(reverse=true) | first }} {{ l | max }}{{ l | min }}",
    "{{ m | selectattr('n') | map(attribute='n') | list }} {{ m | rejectattr('n', 'defined') | list | length }} {{ m | map(attribute='k.z', default=0) | list }}",
    "{{ l | select('odd') | list }} {{ l | reject('equalto', 1) | join('-') }} {{ names | map('upper') | join }}", "{{ m | groupby('role') }}", "{{ s | nosuchfilter }}", "{{ s is nosuchtest }}",
    "{{ q | tojson }} {{ d | tojson(indent=2) }} {{ d | tojson(separators=(',', ':')) }} {{ s | tojson(ensure_ascii=true) }} {{ [no, yes, 1.0, small] | tojson }}",
    "{{ s.split() }} {{ s.split(', ') }} {{ s.split('l', 1) }} {{ s.rsplit('l', 1) }} {{ lines.splitlines() }} {{ lines.split('\\n') }}",
    "{{ s.strip('Hx') }} {{ s.upper() }} {{ s.title() if no else 'ab c-d'.title() }} {{ 'ab c-d' | title }} {{ s.find('W') }} {{ s.count('l') }} {{ 'abc'.replace('', '-') }}",
    "{{ '42' | int + 1 }} {{ '4.7' | int }} {{ 'x' | int(9) }} {{ '1e3' | float }} {{ -3 | abs }} {{ 12 is divisibleby 3 }} {{ '12'.isdigit() }}",
    "{{ lines | indent }}|{{ lines | indent(2, true, true) }}|{{ s | capitalize }}|{{ s | length }}|{{ s | reverse }}|{{ l | reverse | list }}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{{ loop.revindex }}{{ loop.cycle('x', 'y') }}{{ loop.changed(a > 2) }}{% endfor %}", "{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}{{ x }}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x in missing %}x{% else %}none{% endfor %}{% for c in 'aé' %}{{ c }}.{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "{% set n = 1 %}{% for i in range(3) %}{% set n = n + 1 %}{{ n }}{% endfor %}{{ n }}", "{% set ns = namespace(x=1) %}{% for i in range(2, 8, 2) %}{% set ns.x = ns.x * i %}{% endfor %}{{ ns.x }}{{ ns.y }}",
    "{% set a, b = l[0], 'z' %}{{ a }}{{ b }}{% set block | upper %}x{{ a }}{% endset %}{{ block }}", "{% macro f(a, b=2, c=a) %}{{ a }},{{ b }},{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, c=3) }} {{ f(b=1, a=0) }} {{ f() }}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "{% macro r(i) %}{{ i }}{% if i > 0 %}{{ r(i - 1) }}{% endif %}{% endmacro %}{{ r(5) }}", "a\n  {% if yes %}\n  b\n  {% endif %}\nc\n\n",
    "  {%- if yes -%}  x  {%- endif +%}\ny", "x {#- c -#} y {# d #}\nz", "{{ 'a' }}\n{{- 'b' -}}\n{{ 'c' }}\n", "{% if %}", "{% for x in l %}", "{{ 'open }}", "{{ l. }}", "{% include 'x' %}", "{{ 1 / 0 }}",
    "{{ '<b>' | safe + '<i>' }}{{ ('<b>' | safe).upper() + '&' }}", "{{ '{} {0}'.format(1) }}", "{{ '{}-{}'.format(1, 'b') }} {{ '{x}'.format(x=2) }}", "{{ dict(a=1, b=2) }} {{ range(3) | list }} {{ d == {'b': 1} }}",
    "{{ (l | map('string')) is iterable }}{{ l is sequence }}{{ d is mapping }}{{ n is number }}{{ yes is boolean }}{{ no is none }}{{ s is string }}{{ missing is undefined }}{{ n is integer }}{{ f is float }}{{ n is odd }}{{ n is in l }}",
    "{{ strftime_now('%Y-%m-%d %H:%M %A %B %j') }}", "{{ raise_exception('no') }}", "{{ '\\u00e9\\x41\\n\\101\\d' }}", "{{ 1_000 + 0 }} {{ 1e3 }} {{ 1.5e-7 }}", "{{ s.__class__ }}", "{{ l.append(1) }}",
    "{{ s.encode() }}", "{{ s() }}", "{{ l < [3, 2] }}{{ (1, 2) < (1, 3) }}{{ 'a' < 'B' }}", "{{ 1 < 'a' }}", "{{ {1: 2}[1] }}{{ {'a': 1, 'a': 2} }}", "{{ {[]: 1} }}",
]


def main():
    out = {"templates": {}, "conversations": {}, "snippets": [], "values": VALUES}
    conversations = dict(chat_reference.conversations())
    chosen = ["one/True", "one/True/tools", "system/False", "system/True/tools", "unicode/True", "turns/False", "thinking/True", "tools/True", "tools_answered/True/tools",
              "two_calls/True/tools", "parts/True", "wrong_order/False", "empty/True", "thinking/no_think", "null_content/False"]
    out["conversations"] = {name: conversations[name] for name in chosen}
    for name, source in TEMPLATES.items():
        out["templates"][name] = {"source": source, "expected": {c: chat_reference.render(source, conversations[c]) for c in chosen}}
    for source in SNIPPETS:
        out["snippets"].append([source, chat_reference.render(source, {**VALUES})])
    path = pathlib.Path(__file__).with_name("chat.json")
    path.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(path.stat().st_size)
    for source, expected in out["snippets"]:
        print(repr(source), "->", repr(expected)) if "-v" in sys.argv else None


main()
