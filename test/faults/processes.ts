import { readdirSync, readFileSync } from 'node:fs';
import type { DisposableStack } from '../../tools/stack/disposable.ts';

/** Processes, from Linux's /proc, of which that file has an entry (ended by NUL) that `is` says yes to. */
function processes(file: 'environ' | 'cmdline', is: (entry: string) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').some(is);
      } catch {
        return false; // It has ended meanwhile, or belongs to somebody else.
      }
    });
}

/** Processes that were started with this variable, given as `NAME=value`, or by one that was. */
export const processesWith = (variable: string): number[] => processes('environ', (entry) => entry === variable);

/** The servers of a stack: each has the stack's folder on its command line. Backends of PostgreSQL do not. */
export const serversOf = ({ home }: DisposableStack): number[] => processes('cmdline', (entry) => entry.includes(home));
