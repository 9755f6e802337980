/**
 * Rulesets by netlink (nfnetlink, subsystem nf_tables): commands become messages, and messages transactions that the kernel does as a whole or
 * not at all. What people see with `nft list ruleset` is what `render` writes: names of types and comments go along as `nft` puts them there.
 *
 * The kernel's numbers are those of include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h.
 */

import type { Origin } from "../ir/network.ts";
import type { Chain, RuleSet, Table } from "../ir/ruleset.ts";
import { nftComment, renderRule } from "../render/nft.ts";
import { nftName } from "../render/nft-names.ts";
import { errnoName, linux, SystemError } from "./libc.ts";
import { Batch, type NetlinkSocket, NLM_F_APPEND, NLM_F_CREATE, type Refusal } from "./netlink.ts";
import { type Command, changeCommands, removalCommands } from "./nft-change.ts";
import { type Attribute, type Expression, programOf } from "./nft-expressions.ts";
import { type AnyElement, anonymousSet, declarationOf, putData, putSet, putVerdict, type Run, runsOf } from "./nft-sets.ts";

/** What was wrong with one command: in nft's words, with errno's name and what the kernel adds to it. */
export type NftProblem = {
  readonly element: string;
  readonly code: string;
  readonly text?: string;
  readonly origin?: Origin;
};

/** One transaction, ready to be sent. */
export type Transaction = { readonly datagram: Uint8Array; readonly notes: readonly Note[] };

/** What a message says. Runs of elements are one message each. */
type Note = { readonly command: Command; readonly elements?: Run["elements"] };

const NFTABLES = 10;
const message = {
  table: 0,
  deleteTable: 2,
  chain: 3,
  deleteChain: 5,
  rule: 6,
  deleteRule: 8,
  set: 9,
  deleteSet: 11,
  element: 12,
  deleteElement: 14,
} as const;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;

const families = { ip: 2, ip6: 10, inet: 1 } as const;
const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/**
 * A transaction is one datagram, which must fit the send buffer of its socket: net.core.wmem_default, 208 KiB. In bytes, with a margin.
 */
const longestTransaction = 200_000;

/** What turns `before` into `after`, in order: mostly one transaction, none when nothing changes. Throws a {@link CommandError}. */
export function changeTransactions(before: RuleSet, after: RuleSet): readonly Transaction[] {
  return before === after ? [] : encode((steps) => changeCommands(before, after, steps));
}

/** Puts `after` in the place of whatever tables of these names hold. Throws a {@link CommandError}. */
export function replacementTransactions(before: RuleSet, after: RuleSet): readonly Transaction[] {
  return encode((steps) => [...removalCommands([...before, ...after]), ...changeCommands([], after, steps)]);
}

/** These commands, of which there are few. Throws a {@link CommandError}. */
export function transactionsOf(commands: readonly Command[]): readonly Transaction[] {
  return encode(() => commands);
}

/** All as one transaction where it fits, else in steps. */
function encode(commands: (steps: boolean) => Iterable<Command>): readonly Transaction[] {
  const whole = new Encoder();
  for (const command of commands(false)) {
    whole.write(command);
    if (whole.length > longestTransaction) {
      const stepwise = new Encoder();
      for (const step of commands(true)) stepwise.write(step);
      return stepwise.transactions();
    }
  }
  return whole.transactions();
}

/** A command that says what nf_tables can't do. */
export class CommandError extends Error {
  readonly problem: NftProblem;

  constructor(command: Command, text: string) {
    super(text);
    this.problem = { element: subject(command), code: "EINVAL", text, ...originOf(command) };
  }
}

/** Runs a transaction in the namespace of the socket (NETLINK_NETFILTER): all of it or nothing. Returns what was wrong. */
export function transact(socket: NetlinkSocket, { datagram, notes }: Transaction): readonly NftProblem[] {
  const { refusals, lost } = socket.exchange(datagram);
  if (lost && refusals.length === 0) throw new SystemError("recv(netlink): refusals were lost", linux.ENOBUFS);
  return refusals.map((refusal) => {
    const why = { code: errnoName(refusal.errno), ...(refusal.text === undefined ? {} : { text: refusal.text }) };
    const note = notes[refusal.index];
    // The batch as a whole: rules jump in a circle, or memory is short.
    if (note === undefined) return { element: "ruleset", ...why };
    const element = elementAt(note, refusal, datagram);
    return { element: `${subject(note.command)}${objectOf(note.command, element)}`, ...why, ...originOf(note.command, element) };
  });
}

class Encoder {
  readonly #batch = new Batch();
  readonly #notes: Note[] = [];
  /** Where a transaction may end: bytes and messages so far. */
  readonly #cuts: { readonly bytes: number; readonly messages: number }[] = [];
  #setId = 0;

  get length(): number {
    return this.#batch.length;
  }

  /** Throws a {@link CommandError}. */
  write(command: Command): void {
    try {
      this.#write(command);
    } catch (error) {
      throw error instanceof Error ? new CommandError(command, error.message) : error;
    }
  }

  /** As much to a transaction as fits, up to a cut. */
  transactions(): readonly Transaction[] {
    const done: Transaction[] = [];
    let from = { bytes: 0, messages: 0 };
    let to = from;
    const take = (): void => {
      if (to.bytes > from.bytes) {
        const datagram = Buffer.concat([batchBegin, this.#batch.copy(from.bytes, to.bytes), batchEnd]);
        done.push({ datagram, notes: this.#notes });
      }
      from = to;
    };
    for (const next of [...this.#cuts, { bytes: this.#batch.length, messages: this.#notes.length }]) {
      if (next.bytes - from.bytes > longestTransaction) take();
      to = next;
    }
    take();
    return done;
  }

  #write(command: Command): void {
    switch (command.do) {
      case "cut":
        this.#cut();
        return;
      case "add table":
        this.#message(command, message.table, NLM_F_CREATE, (batch) => batch.u32BigEndian(2, 0));
        return;
      case "delete table":
        this.#message(command, message.deleteTable, 0);
        return;
      case "add chain":
        this.#message(command, message.chain, NLM_F_CREATE, (batch) => putChain(batch, command.chain));
        return;
      case "flush chain":
        this.#message(command, message.deleteRule, 0, (batch) => batch.text(2, nftName(command.chain.name)));
        return;
      case "delete chain":
        this.#message(command, message.deleteChain, 0, (batch) => batch.text(3, nftName(command.chain.name)));
        return;
      case "add rule":
        this.#rule(command);
        return;
      case "add set":
        this.#message(command, message.set, NLM_F_CREATE, (batch) => putSet(batch, declarationOf(command.set), ++this.#setId));
        return;
      case "flush set":
        this.#message(command, message.deleteElement, 0, (batch) => batch.text(2, nftName(command.set.name)));
        return;
      case "delete set":
        this.#message(command, message.deleteSet, 0, (batch) => batch.text(2, nftName(command.set.name)));
        return;
      case "add elements":
      case "delete elements": {
        const adds = command.do === "add elements";
        for (const [index, run] of runsOf(command.set, command.elements).entries()) {
          // Intervals come in one command, however many there are.
          if (index > 0 && command.set.interval === true) this.#cut();
          this.#elements(command, adds, nftName(command.set.name), undefined, run);
        }
      }
    }
  }

  #cut(): void {
    this.#cuts.push({ bytes: this.#batch.length, messages: this.#notes.length });
  }

  /** Every message starts with its table's name. */
  #message(
    command: Command & { readonly table: Table },
    type: number,
    flags: number,
    more?: (batch: Batch) => void,
    elements?: Run["elements"],
  ): void {
    const batch = this.#batch;
    batch.begin((NFTABLES << 8) | type, flags, 4);
    batch.fixed8(0, families[command.table.family]);
    batch.text(1, nftName(command.table.name));
    more?.(batch);
    batch.end();
    this.#notes.push(elements === undefined ? { command } : { command, elements });
  }

  #elements(command: Command & { readonly table: Table }, add: boolean, name: string, id: number | undefined, run: Run): void {
    this.#message(
      command,
      add ? message.element : message.deleteElement,
      add ? NLM_F_CREATE : 0,
      (batch) => {
        batch.text(2, name);
        if (id !== undefined) batch.u32BigEndian(4, id);
        const list = batch.open(3);
        batch.append(run.bytes);
        batch.close(list);
      },
      run.elements,
    );
  }

  #rule(command: Command & { readonly do: "add rule" }): void {
    const { table, chain, rule, marking } = command;
    const { expressions, sets } = programOf(rule, table, marking);
    if (expressions.length === 0) return;
    const lookedUp = sets.map((set) => {
      const id = ++this.#setId;
      const { declaration, runs } = anonymousSet(set);
      this.#message(command, message.set, NLM_F_CREATE, (batch) => putSet(batch, declaration, id));
      for (const run of runs) this.#elements(command, true, declaration.name, id, run);
      return { name: declaration.name, id };
    });
    this.#message(command, message.rule, NLM_F_CREATE | NLM_F_APPEND, (batch) => {
      batch.text(2, nftName(chain.name));
      const list = batch.open(4);
      for (const expression of expressions) putExpression(batch, expression, lookedUp);
      batch.close(list);
      batch.bytes(7, commentData(nftComment(rule.origin.reason)));
    });
  }
}

/** The messages around a transaction. */
const [batchBegin, batchEnd] = [NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END].map((type) => {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(20, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(1 /* NLM_F_REQUEST */, 6);
  bytes.writeUInt16BE(NFTABLES, 18);
  return bytes;
}) as [Buffer, Buffer];

function putChain(batch: Batch, { name, base }: Chain): void {
  batch.text(3, nftName(name));
  if (base === undefined) return;
  const hook = batch.open(4);
  batch.u32BigEndian(1, hooks[base.hook]);
  batch.u32BigEndian(2, base.priority);
  batch.close(hook);
  batch.u32BigEndian(5, base.policy === "accept" ? 1 : 0);
  batch.text(7, base.type);
}

/** What `nft` notes about a rule: its comment, with a zero at its end. */
function commentData(comment: string): Uint8Array {
  const text = Buffer.from(`${comment}\0`);
  return Buffer.concat([Uint8Array.of(0, text.length), text]);
}

/** A set of the same transaction. */
type LookedUp = { readonly name: string; readonly id: number };

function putExpression(batch: Batch, { name, attributes }: Expression, sets: readonly LookedUp[]): void {
  const expression = batch.open(1);
  batch.text(1, name);
  if (attributes.length > 0) {
    const data = batch.open(2);
    for (const attribute of attributes) putAttribute(batch, attribute, sets);
    batch.close(data);
  }
  batch.close(expression);
}

function putAttribute(batch: Batch, [type, content]: Attribute, sets: readonly LookedUp[]): void {
  if ("u32" in content) batch.u32BigEndian(type, content.u32);
  else if ("u8" in content) batch.u8(type, content.u8);
  else if ("text" in content) batch.text(type, content.text);
  else if ("data" in content) putData(batch, type, content.data);
  else if ("verdict" in content) putVerdict(batch, type, content.verdict);
  else {
    const set = sets[content.set];
    if (set === undefined) throw new Error("nft: a lookup in a set that is not there");
    batch.text(type, set.name);
    batch.u32BigEndian(4 /* NFTA_LOOKUP_SET_ID */, set.id);
  }
}

/** The element that the kernel points at. */
function elementAt(note: Note, { index, offset }: Refusal, datagram: Uint8Array): AnyElement | undefined {
  if (note.elements === undefined || offset === undefined) return undefined;
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
  let start = 0;
  while (start < bytes.length && bytes.readUInt32LE(start + 8) !== index + 1) start += bytes.readUInt32LE(start);
  // Behind the headers: table, set, perhaps its number, then the list.
  let at = start + 20;
  while (at < start + offset && bytes.readUInt16LE(at + 2) !== (0x8000 | 3)) at += (bytes.readUInt16LE(at) + 3) & ~3;
  at += 4;
  for (const element of note.elements) {
    if (at >= bytes.length) return undefined;
    at += (bytes.readUInt16LE(at) + 3) & ~3;
    if (start + offset < at) return element;
  }
  return undefined;
}

function originOf(command: Command, element?: AnyElement): { readonly origin?: Origin } {
  const origin =
    (element !== undefined && "origin" in element ? element.origin : undefined) ??
    (command.do === "add rule" ? command.rule.origin : undefined);
  return origin === undefined ? {} : { origin };
}

/** What a command does and to what, in nft's words. */
function subject(command: Command): string {
  if (command.do === "cut") return "ruleset";
  const name = "chain" in command ? command.chain.name : "set" in command ? command.set.name : undefined;
  return `${command.do} ${command.table.family} ${nftName(command.table.name)}${name === undefined ? "" : ` ${nftName(name)}`}`;
}

/** The rule or the element that it is about. */
function objectOf(command: Command, element: AnyElement | undefined): string {
  if (command.do === "add rule") return ` ${renderRule(command.rule, command.table)}`;
  if (element === undefined) return "";
  return ` { ${element.key.map((datum) => (typeof datum === "object" ? `${datum.first}-${datum.last}` : datum)).join(" . ")} }`;
}
