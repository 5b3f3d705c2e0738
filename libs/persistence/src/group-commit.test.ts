import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GroupCommit, type GroupCommitOptions } from './group-commit.js';

interface Piece {
  readonly name: string;
  readonly size: number;
}

const piece = (name: string, size = 1): Piece => ({ name, size });
const away = (): Error => Object.assign(new Error('away'), { code: 'ECONNREFUSED' });

/** Commits whose transactions end when the test says so. */
function heldCommits(options: Partial<GroupCommitOptions<Piece, string>> = {}) {
  const groups: { names: string[]; end: () => void }[] = [];
  const commits = new GroupCommit<Piece, string>({
    commit: async (pieces) => {
      const names = pieces.map(({ name }) => name);
      await new Promise<void>((end) => groups.push({ names, end }));
      return names.map((name) => `${name} is in`);
    },
    nameOf: ({ name }) => name,
    sizeOf: ({ size }) => size,
    enough: () => 10,
    ...options,
  });
  const names = (): string[][] => groups.map((group) => group.names);
  return { commits, groups, names };
}

describe('GroupCommit', () => {
  it('writes together what is handed in together, and what comes meanwhile by the next transaction', async () => {
    const { commits, groups, names } = heldCommits();
    const told = ['a', 'b'].map((name) => commits.add(piece(name)));
    await turn();
    told.push(...['c', 'd', 'e'].map((name) => commits.add(piece(name))));
    await turn();
    expect(names()).toEqual([['a', 'b']]);
    groups[0]!.end();
    await turn();
    expect(names()).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ]);
    groups[1]!.end();
    expect(await Promise.all(told)).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `${name} is in`));
  });

  it('gives a transaction no further piece once it is large enough', async () => {
    const { commits, groups, names } = heldCommits();
    for (const [name, size] of [
      ['a', 6],
      ['b', 6],
      ['c', 1],
    ] as const)
      void commits.add(piece(name, size));
    await turn();
    groups[0]!.end();
    await turn();
    expect(names()).toEqual([['a', 'b'], ['c']]);
  });

  it('keeps pieces of one name apart, in their order', async () => {
    const { commits, groups, names } = heldCommits();
    for (const name of ['a', 'a', 'b', 'a']) void commits.add(piece(name));
    for (let i = 0; i < 3; i++) {
      await turn();
      groups[i]!.end();
    }
    expect(names()).toEqual([['a', 'b'], ['a'], ['a']]);
  });

  it('has several transactions under way where that is asked for', async () => {
    const { commits, names } = heldCommits({ atOnce: 2, enough: () => 1 });
    for (const name of ['a', 'b', 'c']) void commits.add(piece(name));
    await turn();
    expect(names()).toEqual([['a'], ['b']]);
  });

  it('rests after a transaction, and tells nobody later for it', async () => {
    const { promise: rested, resolve: goOn } = Promise.withResolvers<void>();
    const { commits, groups, names } = heldCommits({ rest: () => rested });
    const first = commits.add(piece('a'));
    await turn();
    void commits.add(piece('b'));
    groups[0]!.end();
    expect(await first).toBe('a is in');
    await turn();
    expect(names()).toEqual([['a']]);
    goOn();
    await turn();
    expect(names()).toEqual([['a'], ['b']]);
  });

  it('lets a piece fail for what it holds itself, and the others be written', async () => {
    const written: string[][] = [];
    const commits = new GroupCommit<Piece>({
      commit: async (pieces) => {
        await turn();
        if (pieces.some(({ name }) => name === 'poison')) throw new RangeError('poison');
        written.push(pieces.map(({ name }) => name));
        return pieces.map(() => undefined);
      },
      nameOf: ({ name }) => name,
      sizeOf: () => 1,
      enough: () => 10,
    });
    const told = await Promise.allSettled(['a', 'poison', 'b'].map((name) => commits.add(piece(name))));
    expect(told.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(written).toEqual([['a'], ['b']]);
  });

  it('tries nothing one by one while the database is away', async () => {
    let tries = 0;
    const commits = new GroupCommit<Piece>({
      commit: () => {
        tries++;
        return Promise.reject(away());
      },
      nameOf: ({ name }) => name,
      sizeOf: () => 1,
      enough: () => 10,
    });
    const told = await Promise.allSettled(['a', 'b', 'c'].map((name) => commits.add(piece(name))));
    expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(tries).toBe(1);
  });

  it('writes each piece once and those of a name in order, whatever comes when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c'), turns: fc.nat(2) }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        async (arrivals, enough, atOnce) => {
          const written: (Piece & { n: number })[] = [];
          const commits = new GroupCommit<Piece & { n: number }>({
            commit: async (pieces) => {
              for (let i = 0; i < pieces.length; i++) await turn();
              written.push(...pieces);
              return pieces.map(() => undefined);
            },
            nameOf: ({ name }) => name,
            sizeOf: ({ size }) => size,
            enough: () => enough,
            atOnce,
          });
          const told: Promise<void>[] = [];
          for (const [n, { name, turns }] of arrivals.entries()) {
            told.push(commits.add({ ...piece(name), n }));
            for (let i = 0; i < turns; i++) await turn();
          }
          await Promise.all(told);
          expect(written.map(({ n }) => n).sort((a, b) => a - b)).toEqual(arrivals.map((_, n) => n));
          for (const name of ['a', 'b', 'c']) {
            const order = written.filter((each) => each.name === name).map(({ n }) => n);
            expect(order).toEqual(order.toSorted((a, b) => a - b));
          }
        },
      ),
    );
  });
});
