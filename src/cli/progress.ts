/** Progress of long work on standard error: one line that is written over on a terminal, now and then a line elsewhere. */

import { widthOf } from "../render/style.ts";
import type { Context } from "./context.ts";

/** On a terminal the line is drawn at most so often. */
const redrawMs = 80;
/** Elsewhere (a log of CI) a line is written at most so often. */
const lineMs = 5000;

export class Progress {
  readonly #context: Context;
  readonly #isTerminal: boolean;
  #shownAt = 0;
  #shown = "";

  constructor(context: Context) {
    this.#context = context;
    this.#isTerminal = context.stderr.isTTY === true && context.env.TERM !== "dumb";
    this.#shownAt = this.#isTerminal ? 0 : performance.now();
  }

  /** What is going on now. Shown unless something was shown a moment ago. */
  update(text: string): void {
    const now = performance.now();
    if (text === this.#shown || now - this.#shownAt < (this.#isTerminal ? redrawMs : lineMs)) return;
    this.#shownAt = now;
    this.#shown = text;
    if (!this.#isTerminal) {
      this.#context.stderr.write(`${text}\n`);
      return;
    }
    const room = (this.#context.stderr.columns ?? 80) - 1;
    this.#context.stderr.write(`\r\u001b[2K${widthOf(text) > room ? text.slice(0, room) : text}`);
  }

  /** A line that stays. */
  note(text: string): void {
    this.clear();
    this.#context.stderr.write(`${text}\n`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#isTerminal && this.#shown !== "") this.#context.stderr.write("\r\u001b[2K");
    this.#shown = "";
  }
}
