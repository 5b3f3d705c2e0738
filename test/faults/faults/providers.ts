import type { ServerResponse } from 'node:http';
import type { Behaviour, Call } from '../provider.ts';
import type { Fault, Scene } from '../fault.ts';

const TEN_MB = Buffer.alloc(10 * 1024 * 1024, 'x');

/** Mostly well; else one of the things that providers do. */
function moody({ random }: Scene): Behaviour {
  return (response, call) => {
    const dice = random(0, 1_000);
    const answer = (status: number, headers = {}): void => void response.writeHead(status, headers).end();
    // Below 2 it hangs: the caller gives up.
    if (dice >= 200) answer(204);
    else if (dice >= 40) setTimeout(() => answer(204), random(1, 200));
    else if (dice >= 34) tooLong(response, call);
    else if (dice >= 30) answer(429, { 'retry-after': '1' });
    else if (dice >= 10) answer(500);
    else if (dice >= 2) response.destroy();
  };
}

/**
 * The status is the answer, and the caller cuts the rest off: what counts is that the head was sent, and not whether all of
 * the body was. A caller that takes it for a failure and calls again is found as a repetition.
 */
function tooLong(response: ServerResponse, call: Call): void {
  call.status = 200;
  response.writeHead(200).end(TEN_MB);
}

/** What providers do. */
export const PROVIDER_FAULTS: readonly Fault[] = [
  {
    number: 17,
    title: 'the provider hangs, resets, is slow, answers 500, 429 with Retry-After, or 10 MB',
    async act(scene) {
      const { provider, load, part } = scene;
      provider.behave = moody(scene);
      await load.more(part(0.7), 300_000);
      provider.behaveWell();
    },
  },
];
