#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A tiny seeded Llama with a byte-level tokenizer, a few items of every task, and what lm-evaluation-harness
makes of them in fp32. usage: make_tasks.py [FOLDER]
made with lm-eval 0.4.13, torch 2.15.0, transformers 5.23.0, tokenizers 0.23.3
The items hold what tokenization may get wrong: white space at the end of a context, an empty context, one longer
than the model's, characters of several bytes, continuations that share tokens, and two greedy last words."""
import json, os, sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from oracle_tasks import run_harness

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
LONG = 'A mill by the river grinds the grain of nine farms, and ' * 4
ITEMS = {
    'arc_easy.jsonl': [
        {'query': 'Question: What does a mill grind?', 'choices': ['grain', 'rain', 'grains of sand'], 'gold': 0},
        {'query': 'Question: ' + LONG + 'then?', 'choices': ['it rests', 'it rests too', 'no', 'it floats'], 'gold': 1},
        {'query': 'Question: Où est la rivière?', 'choices': ['là-bas, très près', 'au café', 'ici', '河'], 'gold': 3},
        {'query': 'Question: Which is the warmest?', 'choices': ['ice', 'snow', 'steam', 'rain'], 'gold': 2}],
    'piqa.jsonl': [
        {'query': 'Question: open a jar\n', 'choices': ['turn the lid', 'turn the jar into a lid'], 'gold': 0},
        {'query': 'Question: dry a shirt\n', 'choices': ['hang it in the rain', 'hang it in the sun'], 'gold': 1},
        {'query': 'Question: cut bread\n', 'choices': ['with a knife.', 'with a  spoon.'], 'gold': 0}],
    'winogrande.jsonl': [
        {'context_options': ['Ann called Bea because Ann', 'Ann called Bea because Bea'],
         'continuation': 'was ill.', 'gold': 1},
        {'context_options': ['The lid did not fit the jar since the lid', 'The lid did not fit the jar since the jar'],
         'continuation': 'was too big.', 'gold': 0},
        {'context_options': ['He', 'The miller'], 'continuation': 'ground the grain.', 'gold': 1}],
    'boolq.jsonl': [
        {'query': 'Passage: Rivers run to the sea.\nQuestion: do rivers run?', 'choices': ['no', 'yes'], 'gold': 1},
        {'query': 'Passage: ' + LONG + '\nQuestion: is it a farm?', 'choices': ['no', 'yes'], 'gold': 0},
        {'query': 'Passage: Snow is cold.\nQuestion: is snow warm?', 'choices': ['no', 'yes'], 'gold': 0}],
    'openbook_qa.jsonl': [
        {'query': 'Rain makes a river  ', 'choices': ['rise', 'rest', 'run dry', 'rust'], 'gold': 0},
        {'query': 'The sun\u00a0', 'choices': ['warms', 'cools', 'grinds', 'sleeps'], 'gold': 0},
        {'query': '', 'choices': ['A river runs.', 'A river', 'Runs', 'The'], 'gold': 2}],
}
HELLASWAG = ['Milling: The miller pours the grain. he', '2', 'eats the mill.', 'is a river.', 'starts the wheel.',
             'sleeps in the rain of the farms.', 'Drying: She hangs the shirt. she', '0', 'waits for the sun.',
             'cuts the bread with it.', 'turns the lid.', 'is a jar.']
LAMBADA = [{'context': 'The miller looked at the river and then at the', 'continuation': 'mill'},
           {'context': LONG, 'continuation': 'farms'}, {'context': 'Ann called,\n', 'continuation': 'Ann'},
           {'context': 'The long rain', 'continuation': ' rested'}]


def write_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [json.dumps(item, ensure_ascii=False) for items in ITEMS.values() for item in items] + HELLASWAG
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=352, special_tokens=['<s>', '</s>'], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.TemplateProcessing(single='<s> $A', special_tokens=[('<s>', 0)])
    tokenizer.save(os.path.join(OUT, 'model', 'tokenizer.json'), pretty=False)
    with open(os.path.join(OUT, 'model', 'tokenizer_config.json'), 'w') as file:
        json.dump({'tokenizer_class': 'PreTrainedTokenizerFast', 'bos_token': '<s>', 'eos_token': '</s>',
                   'clean_up_tokenization_spaces': False}, file)
    return tokenizer


def make_model():
    model = LlamaForCausalLM(LlamaConfig(
        hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, vocab_size=352, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=0,
        eos_token_id=1))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.copy_((1 + 0.2 * noise if 'norm' in key else 0.2 * noise).to(torch.bfloat16).float())
    model.tie_weights()
    return model.eval()


def greedy_items(model, tokenizer, count):
    """Contexts behind which the likeliest token is a space and a word."""
    words = ' '.join(LAMBADA[0]['context'].split() + HELLASWAG[0].split()).split()
    found = []
    for first in words:
        for second in words:
            context = f'{first} and {second}'
            with torch.no_grad():
                token = int(model(torch.tensor([tokenizer.encode(context).ids])).logits[0, -1].argmax())
            text = tokenizer.decode([token])
            if len(text) > 2 and text[0] == ' ' and text[1:].isalpha() and len(found) < count:
                if tokenizer.encode(context + text).ids == tokenizer.encode(context).ids + [token]:
                    found.append({'context': context, 'continuation': text[1:]})
    assert len(found) == count
    return found


def main():
    os.makedirs(os.path.join(OUT, 'model'), exist_ok=True)
    tokenizer, model = write_tokenizer(), make_model()
    lambada = LAMBADA + greedy_items(model, tokenizer, 2)
    model.to(torch.bfloat16).save_pretrained(os.path.join(OUT, 'model'))
    generation = os.path.join(OUT, 'model', 'generation_config.json')
    if os.path.exists(generation):
        os.remove(generation)
    for name, items in {**ITEMS, 'lambada_openai.jsonl': lambada}.items():
        with open(os.path.join(OUT, name), 'w', encoding='utf-8') as file:
            file.write(''.join(json.dumps(item, ensure_ascii=False) + '\n' for item in items))
    with open(os.path.join(OUT, 'hellaswag-first-1000.txt'), 'w', encoding='utf-8') as file:
        file.write('\n'.join(HELLASWAG) + '\n')
    names = ['arc_easy', 'piqa', 'winogrande', 'boolq', 'openbook_qa', 'hellaswag', 'lambada']
    with open(os.path.join(OUT, 'expected.json'), 'w') as file:
        json.dump(run_harness(os.path.join(OUT, 'model'), OUT, names, None), file, indent=1)
        file.write('\n')


main()
