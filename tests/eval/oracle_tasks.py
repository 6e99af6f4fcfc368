#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""halfbyte eval --tasks beside lm-evaluation-harness, item by item, on the same local files.

usage: oracle_tasks.py MODEL DATA --halfbyte BINARY [--tasks a,b] [--limit 200] [--keep FOLDER]

MODEL is a Hugging Face folder, DATA the folder that --task-data names. The harness (package lm-eval, with
torch and transformers) reads each file through a local task configuration that is written here, in fp32. All
log-likelihoods must agree to 1e-3 of their size, acc, acc_norm and acc_bytes of every item must be the same, and so
must the figures with their standard errors. --limit 0 is all items. --keep holds the harness's items: what lies there is not computed again.
--only-harness writes them and stops. Exit status 0: all the same; 1: a difference, each on a line."""
import argparse, json, math, os, subprocess, sys, tempfile

QUERY = {'doc_to_choice': 'choices', 'doc_to_target': 'gold', 'output_type': 'multiple_choice'}
TASKS = {  # name: file, configuration
    'arc_easy': ('arc_easy.jsonl', {**QUERY, 'doc_to_text': '{{query}}\nAnswer:'}),
    'piqa': ('piqa.jsonl', {**QUERY, 'doc_to_text': '{{query}}Answer:'}),
    'winogrande': ('winogrande.jsonl', {'doc_to_text': 'gold', 'doc_to_target': 'continuation',
                                        'doc_to_choice': 'context_options', 'output_type': 'multiple_choice'}),
    'boolq': ('boolq.jsonl', {**QUERY, 'doc_to_text': '{{query}}\nAnswer:'}),
    'openbook_qa': ('openbook_qa.jsonl', {**QUERY, 'doc_to_text': '{{query}}'}),
    'hellaswag': ('hellaswag-first-1000.txt', {**QUERY, 'doc_to_text': '{{query}}'}),
    'lambada': ('lambada_openai.jsonl', {'doc_to_text': '{{context}}', 'doc_to_target': "{{' ' + continuation}}",
                                         'output_type': 'loglikelihood'}),
}
NORMED = ['acc', 'acc_norm', 'acc_bytes']
METRICS = {'arc_easy': NORMED, 'piqa': NORMED, 'winogrande': ['acc'], 'boolq': ['acc'], 'openbook_qa': NORMED,
           'hellaswag': NORMED, 'lambada': ['acc', 'perplexity']}


def as_jsonl(source, folder):
    """Six lines an item (context, gold, four endings) as .jsonl; other files as they are."""
    if source.endswith('.jsonl'):
        return source
    with open(source, encoding='utf-8') as file:
        lines = file.read().split('\n')
    target = os.path.join(folder, os.path.basename(source) + '.jsonl')
    with open(target, 'w', encoding='utf-8') as file:
        for i in range(0, len(lines) - 5, 6):
            item = {'query': lines[i], 'gold': int(lines[i + 1]), 'choices': lines[i + 2:i + 6]}
            file.write(json.dumps(item) + '\n')
    return target


def run_harness(model, data, names, limit):
    """name -> {'items': [...], 'figures': {...}}"""
    import lm_eval
    from lm_eval.tasks import TaskManager
    with tempfile.TemporaryDirectory() as folder:
        os.environ['HF_DATASETS_CACHE'] = os.path.join(folder, 'cache')
        for name in names:
            file, config = TASKS[name]
            config = {'task': 'local_' + name, 'dataset_path': 'json', 'test_split': 'test', **config,
                      'dataset_kwargs': {'data_files': {'test': as_jsonl(os.path.join(data, file), folder)}},
                      'metric_list': [{'metric': m, 'aggregation': 'perplexity' if m == 'perplexity' else 'mean',
                                       'higher_is_better': m != 'perplexity'} for m in METRICS[name]]}
            with open(os.path.join(folder, name + '.yaml'), 'w', encoding='utf-8') as out:
                json.dump(config, out)  # JSON is YAML
        result = lm_eval.simple_evaluate(
            model='hf', model_args={'pretrained': model, 'dtype': 'float32', 'device': 'cpu'},
            tasks=['local_' + name for name in names], limit=limit or None, batch_size=8, bootstrap_iters=100,
            task_manager=TaskManager(include_path=folder, include_defaults=False))
    found = {}
    for name in names:
        samples = sorted(result['samples']['local_' + name], key=lambda s: s['doc_id'])
        items = []
        for s in samples:
            answers = [r[0] if isinstance(r[0], (list, tuple)) else r for r in s['resps']]
            items.append({'log_likelihoods': [float(a[0]) for a in answers], 'greedy': [bool(a[1]) for a in answers],
                          **{m: float(s[m]) for m in METRICS[name] if m != 'perplexity'}})
        figures = {key.split(',')[0]: value for key, value in result['results']['local_' + name].items()
                   if isinstance(value, float)}
        figures.pop('perplexity_stderr', None)  # drawn at random
        found[name] = {'items': items, 'figures': figures}
    return found


def harness_items(a, names):
    if not a.keep:
        return run_harness(a.model, a.data, names, a.limit)
    os.makedirs(a.keep, exist_ok=True)
    found = {}
    for name in names:
        file = os.path.join(a.keep, f'{name}-{a.limit}.json')
        if not os.path.exists(file):
            with open(file + '.new', 'w', encoding='utf-8') as out:
                json.dump(run_harness(a.model, a.data, [name], a.limit)[name], out, indent=0)
            os.rename(file + '.new', file)
        with open(file, encoding='utf-8') as kept:
            found[name] = json.load(kept)
    return found


def run_halfbyte(a, names):
    with tempfile.TemporaryDirectory() as folder:
        result, items = os.path.join(folder, 'result.json'), os.path.join(folder, 'items.jsonl')
        command = [a.halfbyte, 'eval', a.model, '--tasks', ','.join(names), '--task-data', a.data, '--json', result,
                   '--items', items] + (['--limit', str(a.limit)] if a.limit else [])
        subprocess.run(command, check=True)
        with open(items, encoding='utf-8') as lines, open(result, encoding='utf-8') as file:
            return json.load(file), [json.loads(line) for line in lines]


def close(x, y, tolerance):
    return abs(x - y) <= tolerance * max(abs(x), abs(y))


def compare(name, expected, items, figures):
    """Lines that say what differs, and the largest relative difference of a log-likelihood."""
    wrong, largest = [], 0.0
    if len(expected['items']) != len(items):
        return [f'{name}: {len(items)} items, the harness has {len(expected["items"])}'], largest
    for number, (theirs, ours) in enumerate(zip(expected['items'], items)):
        pairs = list(zip(theirs['log_likelihoods'], ours['log_likelihoods'], strict=True))
        largest = max([largest] + [abs(x - y) / abs(x) for x, y in pairs if x != 0])
        if not all(close(x, y, 1e-3) for x, y in pairs) or theirs['greedy'] != ours['greedy']:
            wrong.append(f'{name} {number}: {ours} against {theirs}')
        for metric in ('acc', 'acc_norm', 'acc_bytes'):
            if metric in theirs and theirs[metric] != ours[metric]:
                wrong.append(f'{name} {number}: {metric} {ours[metric]} against {theirs[metric]}')
    for key, value in expected['figures'].items():
        if math.isnan(value):  # an error of one item
            continue
        tolerance = 1e-3 if key == 'perplexity' else 1e-9
        if key not in figures or not close(figures[key], value, tolerance):
            wrong.append(f'{name}: {key} {figures.get(key)} against {value}')
    return wrong, largest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model')
    parser.add_argument('data')
    parser.add_argument('--halfbyte')
    parser.add_argument('--tasks', default='arc_easy,piqa,winogrande,openbook_qa')
    parser.add_argument('--limit', type=int, default=200)
    parser.add_argument('--keep')
    parser.add_argument('--only-harness', action='store_true')
    a = parser.parse_args()
    names = a.tasks.split(',')
    try:
        expected = harness_items(a, names)
    except ImportError as missing:
        sys.exit(print(f'oracle_tasks: skipped, {missing}') or 0)
    if a.only_harness:
        return
    result, items = run_halfbyte(a, names)
    failed = False
    for name in names:
        figures = next(t for t in result['tasks'] if t['task'] == name)
        wrong, largest = compare(name, expected[name], [i for i in items if i['task'] == name], figures)
        failed = failed or bool(wrong)
        print('\n'.join(wrong + [f'{name}: {figures["items"]} items, {len(wrong)} differences, log-likelihoods to '
                                 f'{largest:.1e}']))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
