import { isId } from '@bongsu/contracts';
import { duration } from '@bongsu/config';
import { UsageError } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { call } from '../http/client.js';
import { apiEndpoint } from '../settings.js';
import { follow } from './follow.js';
import { described, exitCodeOf, type Notification } from './notification.js';

export const status = leaf({
  name: 'status',
  description:
    'Show what became of a notification (Exit code: 0 delivered or still under way, 1 ended in any other way or not found)',
  args: {
    id: { type: 'positional', description: "The notification's id", required: true },
    follow: { type: 'boolean', description: 'Print what happens, as it happens, until the notification has ended' },
    timeout: {
      type: 'string',
      valueHint: 'duration',
      description: 'Follow no longer than this, such as 30s; then exit with 1',
    },
  },
  async run({ args, output }) {
    const id = args.id.toLowerCase();
    if (!isId(id)) throw new UsageError(`'${args.id}' is not the id of a notification`);
    const endpoint = apiEndpoint();
    if (args.follow) return await follow(endpoint, id, timeoutOf(args.timeout), output);
    if (args.timeout !== undefined) throw new UsageError('--timeout goes with --follow');
    const { body } = await call<Notification>(endpoint, { path: `/v1/notifications/${id}` });
    output.result(body, described(body));
    return exitCodeOf(body);
  },
});

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return duration(1)('').parse(text);
  } catch (cause) {
    throw new UsageError(`--timeout ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
