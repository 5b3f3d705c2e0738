/** How far a program has come with what its parent asked for: tells it when the first begins and when all of it is done. */
export class Counting {
  #left = 0;
  #begun = false;
  readonly #latest = new Map<string, number>();
  #disorder = 0;

  expect(count: number): void {
    this.#left = count;
    this.#begun = false;
    this.#disorder = 0;
    this.#latest.clear();
  }

  /** Notes that work has begun: what came before it (a consumer that was held back waits seconds for its next fetch) is not counted. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    process.send!({ begun: true });
  }

  /** Notes that one is begun, with its number and whom it is for: for the order by recipient. */
  began(recipient: string, n: number): void {
    this.begin();
    if (n <= (this.#latest.get(recipient) ?? -1)) this.#disorder++;
    this.#latest.set(recipient, n);
  }

  done(count = 1): void {
    this.#left -= count;
    if (this.#left === 0) process.send!({ done: { disorder: this.#disorder } });
  }
}
