import { CHANNELS } from '@bongsu/contracts';
import { UsageError } from '../command-line/exit.js';

/** Which dead deliveries are meant; what is in them is judged by the API alone, so that there is one set of rules. */
export const FILTERS = {
  recipient: { type: 'string', valueHint: 'id', description: "The recipient's id" },
  channel: { type: 'string', valueHint: CHANNELS.join('|'), description: 'The channel' },
  notification: { type: 'string', valueHint: 'id', description: "The notification's id" },
  reason: { type: 'string', valueHint: 'code', description: "The code of the last attempt's error, such as http_503" },
  from: { type: 'string', valueHint: 'time', description: 'Dead since then or later, such as 2026-12-01T09:00:00Z' },
  to: { type: 'string', valueHint: 'time', description: 'Dead before then' },
} as const;

export type Filter = { readonly [K in keyof typeof FILTERS]?: string };

/** The filters that were given, times in the one form that every part of the API takes. Throws a UsageError for a time that is none. */
export function filterOf(args: { readonly [K in keyof typeof FILTERS]?: string | undefined }): Filter {
  const filter: { -readonly [K in keyof Filter]: Filter[K] } = {};
  for (const name of ['recipient', 'channel', 'notification', 'reason'] as const) {
    const value = args[name];
    if (value !== undefined) filter[name] = value;
  }
  for (const name of ['from', 'to'] as const) {
    const value = args[name];
    if (value !== undefined) filter[name] = timeOf(name, value);
  }
  return filter;
}

function timeOf(name: string, text: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new UsageError(`--${name} must be a time, such as 2026-12-01T09:00:00Z`);
  return time.toISOString();
}

/** A whole number of an option. Throws a UsageError. */
export function countOf(name: string, text: string, max: number): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (!(count >= 1 && count <= max)) throw new UsageError(`--${name} must be a whole number from 1 to ${max}`);
  return count;
}
