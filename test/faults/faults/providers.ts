import type { Behaviour } from '../provider.ts';
import type { Fault, Scene } from '../fault.ts';

const TEN_MB = 10 * 1024 * 1024;

/** Mostly well; else one of the things that providers do. */
function moody({ random }: Scene): Behaviour {
  return (response) => {
    const dice = random(0, 1_000);
    if (dice < 2) return; // Hangs: the caller gives up.
    if (dice < 10) return void response.destroy();
    if (dice < 30) return void response.writeHead(500).end();
    if (dice < 34) return void response.writeHead(429, { 'retry-after': '1' }).end();
    if (dice < 40) return void response.writeHead(200).end(Buffer.alloc(TEN_MB, 'x'));
    if (dice < 200) return void setTimeout(() => response.writeHead(204).end(), random(1, 200));
    response.writeHead(204).end();
  };
}

/** What providers do. */
export const PROVIDER_FAULTS: readonly Fault[] = [
  {
    number: 17,
    title: 'the provider hangs, resets, is slow, answers 500, 429 with Retry-After, or 10 MB',
    patienceSeconds: 240,
    async act(scene) {
      const { provider, load, mayRepeat } = scene;
      provider.behave = moody(scene);
      await load.more(2_000, 300_000);
      provider.behaveWell();
      // An answer of 10 MB that is cut off is a success for whom it was cut off by, and for the receiver that sees it cut.
      mayRepeat(0);
    },
  },
];
