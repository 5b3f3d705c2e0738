/** What one look at the system gave. */
export interface Finding {
  /** What was looked at. */
  readonly what: string;
  /** `warning`: it works, and somebody should know. `skipped`: it could not be looked at, for the reason in `detail`. */
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
  /** What to do about it. */
  readonly advice?: string;
}

export const ok = (what: string, detail: string): Finding => ({ what, state: 'ok', detail });
export const failed = (what: string, detail: string, advice: string): Finding => ({
  what,
  state: 'failed',
  detail,
  advice,
});
export const warning = (what: string, detail: string, advice: string): Finding => ({
  what,
  state: 'warning',
  detail,
  advice,
});
export const skipped = (what: string, detail: string): Finding => ({ what, state: 'skipped', detail });

/** The message of an error, without its stack; several lines become one. */
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ');
