import { setTimeout as sleep } from 'node:timers/promises';
import type { DemoReceiver } from './receiver.ts';
import type { StackClient, TimelineEntry } from './stack-client.ts';

/** The demo ends by itself after this time, whatever is still being tried; milliseconds. */
const ENDS_AFTER_MS = 25_000;
const EVERY_MS = 250;
const UNDER_WAY = new Set(['accepted', 'scheduled', 'in_progress']);
const STYLES = {
  bold: '\u001B[1m',
  dim: '\u001B[2m',
  good: '\u001B[32m',
  bad: '\u001B[31m',
  wait: '\u001B[33m',
} as const;

/** Events that are not about one delivery. */
const WORDS: Readonly<Record<string, string>> = {
  'bongsu.notification.requested.v1': 'accepted',
  'bongsu.notification.cancel-requested.v1': 'cancellation asked for',
};

interface Scene {
  readonly title: string;
  readonly body: object;
  /** It fails at first on purpose, and may still be waiting for its next attempt when the demo ends. */
  readonly mayTakeLonger?: boolean;
}

interface Playing extends Scene {
  readonly id: string;
  readonly number: number;
  readonly shown: Set<string>;
  status: string;
}

/** Sends the scenes, shows what becomes of them, and gives the exit code: 0 when everything that should have arrived did. */
export async function runDemo(stack: StackClient, receiver: DemoReceiver): Promise<number> {
  receiver.secret = stack.webhookSecret;
  const began = performance.now();
  const say = (who: string, text: string): void =>
    console.log(
      `${style('dim', `${((performance.now() - began) / 1000).toFixed(2).padStart(6)} s`)}  ${who.padEnd(8)} ${text}`,
    );
  receiver.onReceived = (webhook) =>
    say('receiver', `${webhook.path} answered ${webhook.status}${signature(webhook.signatureHolds)}`);

  const playing = await send(stack, receiver, say);
  while (performance.now() - began < ENDS_AFTER_MS && playing.some(({ status }) => UNDER_WAY.has(status))) {
    for (const each of playing) await watch(stack, each, say);
    await sleep(EVERY_MS);
  }
  return conclude(stack, receiver, playing);
}

function scenes(webhookUrl: string): Scene[] {
  const person = (id: string): object => ({ id, email: `${id}@example.org`, webhook: { url: `${webhookUrl}/ok` } });
  return [
    {
      title: 'an urgent e-mail',
      body: {
        recipient: person('mina'),
        channels: ['email'],
        priority: 'urgent',
        content: {
          subject: 'The beacon is lit',
          body: 'Come at once.',
          html: '<h1>Come at once.</h1><p>The beacon is lit.</p>',
        },
      },
    },
    {
      title: 'e-mail and webhook, in Korean',
      body: {
        recipient: person('jun'),
        channels: ['email', 'webhook'],
        content: { subject: '봉수가 올랐습니다', body: '남산에서 소식이 왔습니다.' },
      },
    },
    {
      title: 'a webhook whose receiver fails twice',
      mayTakeLonger: true,
      body: {
        recipient: { id: 'flaky', webhook: { url: `${webhookUrl}/flaky` } },
        channels: ['webhook'],
        // The receiver is gone with the demo: nobody should go on trying it for a day.
        expiresAt: new Date(Date.now() + 120_000).toISOString(),
        content: { body: 'Third time lucky.' },
      },
    },
    {
      title: 'a line in the log, in bulk',
      body: { recipient: person('log'), channels: ['log'], priority: 'bulk', content: { body: 'For the record.' } },
    },
    {
      title: 'two for one recipient, in order (1)',
      body: { recipient: person('ordered'), channels: ['webhook'], orderingKey: 'demo', content: { body: 'first' } },
    },
    {
      title: 'two for one recipient, in order (2)',
      body: { recipient: person('ordered'), channels: ['webhook'], orderingKey: 'demo', content: { body: 'second' } },
    },
  ];
}

type Say = (who: string, text: string) => void;

async function send(stack: StackClient, receiver: DemoReceiver, say: Say): Promise<Playing[]> {
  const playing: Playing[] = [];
  for (const scene of scenes(receiver.url)) {
    const id = await stack.send(scene.body);
    const each = { ...scene, id, number: playing.length + 1, shown: new Set<string>(), status: 'accepted' };
    playing.push(each);
    say(`#${each.number}`, `${style('bold', scene.title)}  ${style('dim', id)}`);
  }
  return playing;
}

async function watch(stack: StackClient, each: Playing, say: Say): Promise<void> {
  if (!UNDER_WAY.has(each.status)) return;
  const status = await stack.status(each.id);
  const timeline = await stack.timeline(each.id);
  for (const entry of timeline.filter(({ id }) => !each.shown.has(id))) {
    each.shown.add(entry.id);
    say(`#${each.number}`, described(entry));
  }
  each.status = status;
  if (!UNDER_WAY.has(status)) say(`#${each.number}`, style(status === 'delivered' ? 'good' : 'bad', status));
}

function described({ type, channel, status, attempt, nextAttemptAt }: TimelineEntry): string {
  const details = [
    attempt ? `attempt ${attempt.number}, ${Math.round(attempt.durationMs)} ms` : '',
    attempt?.error ? attempt.error.code : '',
    nextAttemptAt ? `next attempt at ${nextAttemptAt.slice(11, 19)}` : '',
  ].filter((detail) => detail !== '');
  const what = [channel, status ?? WORDS[type] ?? type].filter((part) => part !== undefined).join(' ');
  return what + (details.length > 0 ? style('dim', `  ${details.join(', ')}`) : '');
}

function conclude(stack: StackClient, receiver: DemoReceiver, playing: readonly Playing[]): number {
  const waiting = playing.filter(({ status }) => UNDER_WAY.has(status));
  const wrong = playing.filter(
    ({ status, mayTakeLonger }) => status !== 'delivered' && !(mayTakeLonger && UNDER_WAY.has(status)),
  );
  const forged = receiver.received.filter(({ signatureHolds }) => signatureHolds === false);
  console.log(`\n${playing.filter(({ status }) => status === 'delivered').length} of ${playing.length} delivered.`);
  for (const { number, id } of waiting) {
    console.log(
      style(
        'wait',
        `#${number} is still being tried, as it should be; its receiver is gone once this ends: npx bongsu status ${id} --follow`,
      ),
    );
  }
  if (stack.webhookSecret !== undefined) {
    console.log(`${receiver.received.length} webhooks received, ${forged.length} with a signature that does not hold.`);
  }
  console.log(
    `See the mails at ${stack.mailUrl} and the API at ${stack.url}/docs; check the audit trail with: npx bongsu audit verify`,
  );
  return wrong.length === 0 && forged.length === 0 ? 0 : 1;
}

const signature = (holds: boolean | undefined): string =>
  holds === undefined ? '' : holds ? style('dim', ', signature holds') : style('bad', ', SIGNATURE DOES NOT HOLD');

const style = (name: keyof typeof STYLES, text: string): string =>
  process.stdout.isTTY ? `${STYLES[name]}${text}\u001B[0m` : text;
