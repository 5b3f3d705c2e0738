import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { connectionFailure } from '../../connection-failure.js';
import { reject, timedOut, type Outcome } from '../../provider.js';
import { answerOutcome } from './answer.js';

/** An answer's body is read up to here, bytes, so that the connection can be used again; a longer one is cut off. */
const MAX_BODY = 65_536;

/**
 * One POST under way: turns what undici reports into an outcome. The status decides, and at once: a receiver that has said 200 has
 * the notification, and a body that trickles in must not delay the record of it. The body is still read for a while, only so that
 * the connection can be used again and the receiver is not cut off in the middle of a sentence.
 */
export class Call implements Dispatcher.DispatchHandler {
  readonly outcome: Promise<Outcome>;
  readonly #settle: (outcome: Outcome) => void;
  readonly #release: () => void;
  readonly #signal: AbortSignal;
  readonly #bodyMs: number;
  #controller: Dispatcher.DispatchController | undefined;
  #answer: Outcome | undefined;
  #received = 0;
  #bodyTimer: NodeJS.Timeout | undefined;

  /**
   * @param release told once, when the connection is free again.
   * @param bodyMs how long a body may take once the status is known, milliseconds.
   */
  constructor(signal: AbortSignal, release: () => void, bodyMs: number) {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.outcome = promise;
    this.#settle = resolve;
    this.#release = release;
    this.#signal = signal;
    this.#bodyMs = bodyMs;
    signal.addEventListener('abort', this.#cut, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Given up while the connection was being made: nothing must be sent any more.
    if (this.#signal.aborted) this.#cut();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.#answer = answerOutcome(status, headers['retry-after'], new Date());
    this.#settle(this.#answer);
    this.#bodyTimer = setTimeout(this.#cut, this.#bodyMs);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#received += chunk.length;
    if (this.#received > MAX_BODY) this.#cut();
  }

  onResponseEnd(): void {
    this.#finish(this.#answer ?? timedOut);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: NodeJS.ErrnoException): void {
    this.#finish(this.#answer ?? failure(error));
  }

  /** Gives the call up, whatever it is doing; the outcome is what is known by now. */
  readonly #cut = (): void => {
    this.#settle(this.#answer ?? timedOut);
    this.#controller?.abort(new Error('given up'));
  };

  #finish(outcome: Outcome): void {
    clearTimeout(this.#bodyTimer);
    this.#signal.removeEventListener('abort', this.#cut);
    this.#settle(outcome);
    this.#release();
  }
}

function failure(error: NodeJS.ErrnoException): Outcome {
  // undici's parser names its error, but gives it no code when the answer is not HTTP at all.
  const code = error.code ?? (error.name === 'HTTPParserError' ? 'HPE_INVALID' : '');
  return code === 'ADDRESS_BLOCKED'
    ? reject('address_blocked', 'The webhook URL leads to an address that webhooks may not go to')
    : connectionFailure(code);
}
