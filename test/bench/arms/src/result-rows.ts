import pg from 'pg';

/**
 * The row that each finished job leaves, written as a careful user of a job queue would: what finishes together is one
 * statement, and a job is finished when its row is committed.
 */
export class ResultRows {
  readonly #pool: pg.Pool;
  readonly #insert: string;
  #waiting: Row[] = [];
  #writing = false;

  private constructor(pool: pg.Pool, schema: string) {
    this.#pool = pool;
    this.#insert = `
      INSERT INTO ${schema}.results (id, recipient_id, status, ended_at)
      SELECT id, recipient, 'delivered', now() FROM unnest($1::uuid[], $2::text[]) AS r (id, recipient)`;
  }

  static async open(url: string, schema: string): Promise<ResultRows> {
    const pool = new pg.Pool({ connectionString: url, max: 2 });
    await pool.query(`
      CREATE SCHEMA IF NOT EXISTS ${schema};
      CREATE TABLE ${schema}.results (id uuid PRIMARY KEY, recipient_id text NOT NULL, status text NOT NULL, ended_at timestamptz NOT NULL)`);
    return new ResultRows(pool, schema);
  }

  add(id: string, recipient: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, recipient, resolve, reject });
      if (!this.#writing) setImmediate(() => void this.#write());
      this.#writing = true;
    });
  }

  /** For those who finish many at once. */
  async addAll(rows: readonly { id: string; recipient: string }[]): Promise<void> {
    await this.#pool.query({ name: 'results', text: this.#insert, values: columns(rows) });
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const rows = this.#waiting.splice(0, 1_000);
      try {
        await this.addAll(rows);
        for (const { resolve } of rows) resolve();
      } catch (error) {
        for (const { reject } of rows) reject(error);
      }
    }
    this.#writing = false;
  }
}

interface Row {
  readonly id: string;
  readonly recipient: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const columns = (rows: readonly { id: string; recipient: string }[]): string[][] => [
  rows.map(({ id }) => id),
  rows.map(({ recipient }) => recipient),
];
