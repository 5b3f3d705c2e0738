/** How far a program has come with what its parent asked for: tells it when all of it is done. */
export class Counting {
  #left = 0;
  readonly #latest = new Map<string, number>();
  #disorder = 0;

  expect(count: number): void {
    this.#left = count;
    this.#disorder = 0;
    this.#latest.clear();
  }

  /** Notes that one began, with its number and whom it is for: for the order by recipient. */
  began(recipient: string, n: number): void {
    if (n <= (this.#latest.get(recipient) ?? -1)) this.#disorder++;
    this.#latest.set(recipient, n);
  }

  done(count = 1): void {
    this.#left -= count;
    if (this.#left === 0) process.send!({ done: { disorder: this.#disorder } });
  }
}
