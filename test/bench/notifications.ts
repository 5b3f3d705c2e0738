/** What is sent: short texts, 10,000 recipients, every one as often as the others. */
export const RECIPIENTS = 10_000;
const TEXT = 'The beacon is lit on the southern ridge, and the next one answers.';

/** Bodies of POST /v1/notifications; a record of about 350 bytes each, key included. `@N@` becomes the request's number. */
export const requestBodies = (): string[] =>
  Array.from({ length: RECIPIENTS }, (_, n) =>
    JSON.stringify({
      recipient: { id: `user-${n}` },
      channels: ['log'],
      content: { subject: '@N@', body: TEXT },
    }),
  );
