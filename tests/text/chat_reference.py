# SPDX-License-Identifier: Apache-2.0
"""jinja2 set up as Transformers sets it up for chat templates, and the conversations of the comparisons."""
import datetime
import json

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS = 1735689600 + 86400 * 45 + 3661  # 2025-02-15 01:01:01 UTC


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(line)

    def _run(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(SECONDS, datetime.timezone.utc).strftime(f)
    return env


def render(source, variables):
    """The text, or None when jinja2 refuses."""
    try:
        data = {k: v for k, v in variables.items() if k != "strftime_now_seconds"}
        return environment().from_string(source).render(**data)
    except Exception:  # whatever a template does wrong
        return None


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city.\nSecond line 'quoted' \"twice\".",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Größe <b>&"}, "days": {"type": ["integer", "null"], "minimum": 1.5},
        "unit": {"type": "string", "enum": ["C", "F"]}, "nested": {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "number"}}}}},
        "required": ["city"]}, "return": {"type": "string", "description": "text"}}}
TIME = {"type": "function", "function": {"name": "now", "description": "Time", "parameters": {"type": "object", "properties": {}, "required": []}}}


def call(arguments, number="abcdefghi"):
    return {"id": number, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def conversations():
    tool_turn = [user("Weather?"), assistant("", tool_calls=[call({"city": "Köln", "days": 2, "on": True, "z": None, "f": 1e-7})]),
                 {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "rain, 3.5°"}]
    lists = {
        "one": [user("Hello")],
        "system": [system("Be brief."), user("Hi"), assistant("Hello!"), user("  spaces \n\n kept? ")],
        "unicode": [user("你好 👩‍👩‍👧 ẞß \u2028 \u0000 <|im_end|>"), assistant("<think>\nhm\n</think>\n\nAntwort</think>x"), user("{{ 7 * 7 }} {% if %}")],
        "turns": [user("a"), assistant("b"), user("c"), assistant("d"), user("e")],
        "thinking": [user("q"), assistant("answer", reasoning_content="because"), user("again"), assistant("<think>x</think>y")],
        "tools": tool_turn, "tools_answered": tool_turn + [assistant("It rains."), user("Thanks")],
        "two_calls": [user("Both?"), assistant(None, tool_calls=[call({"city": "A"}), call({"city": "B"}, "jklmnopqr")]),
                      {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "1"},
                      {"role": "tool", "name": "get_weather", "tool_call_id": "jklmnopqr", "content": "{\"t\": 2}"}],
        "text_arguments": [user("x"), assistant("on it", tool_calls=[call("{\"city\": \"A\"}")])],
        "parts": [user([{"type": "text", "text": "look"}, {"type": "image"}, {"type": "text", "text": "here"}])],
        "system_parts": [system([{"type": "text", "text": "S"}]), user([{"type": "text", "text": "T"}])],
        "wrong_order": [assistant("first"), assistant("second")],
        "system_late": [user("a"), system("late"), user("b")],
        "developer": [{"role": "developer", "content": "D"}, user("x")],
        "empty": [], "no_content": [{"role": "user"}], "null_content": [user("x"), assistant(None)],
    }
    base = {"bos_token": "<s>", "eos_token": "</s>", "strftime_now_seconds": SECONDS}
    for name, messages in lists.items():
        for prompt in (False, True):
            yield f"{name}/{prompt}", {**base, "messages": messages, "add_generation_prompt": prompt}
            if "tool" in name or name in ("one", "system", "two_calls", "text_arguments"):
                yield f"{name}/{prompt}/tools", {**base, "messages": messages, "add_generation_prompt": prompt, "tools": [WEATHER, TIME]}
        yield f"{name}/no_think", {**base, "messages": messages, "add_generation_prompt": True, "enable_thinking": False, "tools": None}
