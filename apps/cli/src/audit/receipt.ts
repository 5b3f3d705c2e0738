import { rename, rm, writeFile } from 'node:fs/promises';
import { isId } from '@bongsu/contracts';
import { CommandFailure, EXIT, UsageError } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { call } from '../http/client.js';
import { auditEndpoint } from '../settings.js';

/** docs/audit-format.md, "Receipts". */
const FORMAT = 'bongsu-audit-receipt-v1';

interface Receipt {
  readonly format: typeof FORMAT;
  readonly notificationId: string;
  readonly entries: readonly unknown[];
}

export const receipt = leaf({
  name: 'receipt',
  description: 'Fetch what proves, without any service, that the records of a notification are in the trail',
  args: {
    id: { type: 'positional', description: "The notification's id", required: true },
    out: { type: 'string', valueHint: 'file', description: 'Write the receipt to this file instead of showing it' },
  },
  async run({ args, output }) {
    const { out } = args;
    const id = args.id.toLowerCase();
    if (!isId(id)) throw new UsageError(`'${args.id}' is not the id of a notification`);
    if (out === '') throw new UsageError('--out needs the name of a file');
    const { body } = await call<unknown>(auditEndpoint(), { path: `/v1/audit/receipts/${id}` });
    if (!isReceipt(body, id)) throw new Error('The answer is not a receipt of this notification');
    if (out === undefined) {
      output.result(body, JSON.stringify(body, undefined, 2));
      return EXIT.ok;
    }
    await write(out, `${JSON.stringify(body, undefined, 2)}\n`);
    const records = body.entries.length;
    output.result({ file: out, notificationId: id, records }, `${out}: ${records} records`);
    return EXIT.ok;
  },
});

function isReceipt(body: unknown, id: string): body is Receipt {
  if (typeof body !== 'object' || body === null) return false;
  const { format, notificationId, entries } = body as Partial<Receipt>;
  return format === FORMAT && notificationId === id && Array.isArray(entries) && entries.length > 0;
}

/** Whole or not there; readable by nobody else, since it holds what was sent to whom. */
async function write(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${process.pid}.new`;
  try {
    await writeFile(unfinished, text, { mode: 0o600, flag: 'wx' });
    await rename(unfinished, path);
  } catch (cause) {
    await rm(unfinished, { force: true });
    throw new CommandFailure(EXIT.failed, `--out ${path} cannot be written: ${String(cause)}`, { cause });
  }
}
