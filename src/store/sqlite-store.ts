/**
 * The durable store: one SQLite file in WAL mode with full synchronisation, so that a commit that returned is on disk.
 * The file can be opened with `sqlite3`: table `resources` has the present state, `meta` the schema's version and the revision.
 */

import { statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type Database from "libsql";
import type { Key, Resource, Write } from "../resources/resources.ts";
import { MemoryStore } from "./log-store.ts";
import { StoreError } from "./store.ts";

/** Raised when the tables change in a way that older versions cannot read. */
const schemaVersion = 1;

export class SqliteStore extends MemoryStore {
  readonly #path: string;
  readonly #database: Database.Database;
  readonly #put: Database.Statement;
  readonly #delete: Database.Statement;
  readonly #setRevision: Database.Statement;
  #closed = false;

  private constructor(path: string, database: Database.Database) {
    super();
    this.#path = path;
    this.#database = database;
    this.#put = database.prepare("INSERT OR REPLACE INTO resources (key, revision, value) VALUES (?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM resources WHERE key = ?");
    this.#setRevision = database.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('revision', ?)");
    const rows = database.prepare("SELECT key, revision, value FROM resources ORDER BY revision, key").raw().all();
    let last = 0;
    for (const row of rows) {
      const [key, revision, text] = row as [string, number, string];
      this.accept(revision, [{ key, value: parseValue(path, key, text) }]);
      last = revision;
    }
    this.startFrom(Math.max(last, metaOf(database, "revision") ?? 0));
  }

  /** Opens the file, or makes it. Throws a {@link StoreError} that says what to do. */
  static open(path: string): SqliteStore {
    let database: Database.Database;
    try {
      // Loaded with the first store: commands that work on files need none.
      const Sqlite = createRequire(import.meta.url)("libsql") as typeof Database;
      database = new Sqlite(path);
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = FULL");
      const version = hasMeta(database) ? metaOf(database, "schema") : undefined;
      if (version !== undefined && version > schemaVersion) {
        throw new StoreError(
          "newer",
          `${path} was written by a newer version (schema ${version}; this version knows ${schemaVersion})`,
          "use that version, or start anew with down --purge",
        );
      }
      database.exec(`
        CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS resources (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
        INSERT OR IGNORE INTO meta (name, value) VALUES ('schema', ${schemaVersion});
      `);
      return new SqliteStore(path, database);
    } catch (error) {
      throw explain(path, error);
    }
  }

  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    super.close();
    this.#database.close();
  }

  protected override persist(revision: number, writes: readonly Write[]): void {
    if (this.#closed) throw new StoreError("closed", `${this.#path} is closed`, "open it again");
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { key, value } of writes) {
        if (value === undefined) this.#delete.run(key);
        else this.#put.run(key, revision, JSON.stringify(value));
      }
      this.#setRevision.run(revision);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#rollBack();
      throw explain(this.#path, error);
    }
  }

  #rollBack(): void {
    try {
      if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
    } catch (error) {
      // SQLite has rolled back by itself when it says that there is nothing to roll back; anything else comes up with the next commit.
      if (!(error instanceof Error)) throw error;
    }
  }
}

function parseValue(path: string, key: Key, text: string): Resource {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Resource;
  } catch (error) {
    throw new StoreError("not-a-store", `${path}: ${key} is no JSON`, "start anew with down --purge", error);
  }
  throw new StoreError("not-a-store", `${path}: ${key} is no resource`, "start anew with down --purge");
}

function hasMeta(database: Database.Database): boolean {
  return database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'meta'").all().length > 0;
}

function metaOf(database: Database.Database, name: string): number | undefined {
  const row = database.prepare("SELECT value FROM meta WHERE name = ?").raw().get(name);
  const value: unknown = Array.isArray(row) ? row[0] : undefined;
  return typeof value === "number" ? value : undefined;
}

function isFull(path: string): boolean {
  return statfsSync(dirname(path)).bavail === 0;
}

/** SQLite's words as one of ours, with the way out. */
function explain(path: string, error: unknown): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const code = "code" in error ? String(error.code) : "";
  const text = `${code} ${error.message}`;
  // The index of the write-ahead log has no error of its own for a full disk.
  if (/SQLITE_FULL|disk is full|No space left/i.test(text) || (/SQLITE_IOERR|I\/O error/i.test(text) && isFull(path)))
    return new StoreError("full", `${path}: the disk is full`, "make room and run the command again: nothing acknowledged is lost", error);
  if (/SQLITE_NOTADB|not a database|malformed|SQLITE_CORRUPT/i.test(text))
    return new StoreError("not-a-store", `${path} is no store of Drydock's: ${error.message}`, "start anew with down --purge", error);
  if (/SQLITE_(READONLY|CANTOPEN|PERM|IOERR)|unable to open|readonly|read-only|attempt to write|I\/O error/i.test(text)) {
    return new StoreError(
      "unwritable",
      `${path} cannot be written: ${error.message}`,
      "make the folder writable, or choose another with DRYDOCK_STATE",
      error,
    );
  }
  return error;
}
