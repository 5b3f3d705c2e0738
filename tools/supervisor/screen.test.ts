import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { Screen } from './screen.ts';

function screen(): { screen: Screen; pass: (ms: number) => void; lines: () => string[] } {
  let now = 0;
  const out = new PassThrough();
  let text = '';
  out.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return {
    screen: new Screen(out, () => now),
    pass: (ms) => {
      now += ms;
    },
    lines: () => text.split('\n').slice(0, -1),
  };
}

it('shows what a part says behind its name, without colours where there is no terminal', () => {
  const { screen: shown, lines } = screen();
  shown.part('api', 'WARN Kafka is away');
  expect(lines()).toEqual(['api          │ WARN Kafka is away']);
});

it('does not let one part push everything else off the screen, and says how much it left out', () => {
  const { screen: shown, pass, lines } = screen();
  for (let line = 0; line < 100; line += 1) shown.part('api', `line ${line}`);
  shown.part('audit', 'another');
  expect(lines()).toHaveLength(21);
  pass(10_000);
  shown.part('api', 'later');
  expect(lines().slice(-2)).toEqual(['api          │ … and 80 more lines, see its log', 'api          │ later']);
});

it('shows the same line once in a while only', () => {
  const { screen: shown, pass, lines } = screen();
  for (let time = 0; time < 3; time += 1) shown.part('api', 'Kafka is away');
  pass(10_000);
  shown.part('api', 'Kafka is away');
  expect(lines()).toEqual([
    'api          │ Kafka is away',
    'api          │ … and 2 more lines, see its log',
    'api          │ Kafka is away',
  ]);
});
