/**
 * The syntax of template expressions: `[concat('a', parameters('b').c[0])]` to a tree. What the parts mean is not known here.
 *
 * Azure docs: templates/template-expressions.
 */

import { excerpt } from "../problem.ts";
import { limits, refuse } from "./value.ts";

export type Expression =
  | { readonly kind: "literal"; readonly value: string | number }
  /** `namespace` is that of a function which the template defines. */
  | { readonly kind: "call"; readonly namespace?: string; readonly name: string; readonly parameters: readonly Expression[] }
  /** `a.name`, `a['name']`, `a[0]`; safe: nothing instead of an error where there is none. */
  | { readonly kind: "access"; readonly of: Expression; readonly key: Expression; readonly isSafe: boolean };

/** Is a text evaluated? `[[` at its beginning stands for one bracket. */
export function isExpression(text: string): boolean {
  return text.startsWith("[") && text.endsWith("]") && !text.startsWith("[[");
}

/** What a text that is not evaluated says. */
export function unescaped(text: string): string {
  return text.startsWith("[[") && text.endsWith("]") ? text.slice(1) : text;
}

/** Of a text in brackets. Throws a `Refusal`. */
export function parseExpression(text: string): Expression {
  if (text.length > limits.expression) {
    refuse(`the expression has ${text.length} characters; Azure takes ${limits.expression}`, "split it into variables");
  }
  return new Parser(text.slice(1, -1)).whole();
}

type Token = { readonly kind: "name" | "number" | "text" | "sign" | "end"; readonly text: string };

const deepest = 100;

class Parser {
  readonly #text: string;
  #at = 0;
  #token: Token;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#token = this.#next();
  }

  whole(): Expression {
    const expression = this.#expression();
    if (this.#token.kind !== "end") this.#unexpected("an operator-free expression ends here");
    return expression;
  }

  #expression(): Expression {
    if (++this.#depth > deepest) refuse(`the expression is nested more than ${deepest} deep`, "split it into variables");
    let result = this.#primary();
    for (;;) {
      if (this.#take(".")) {
        const isSafe = this.#take("?");
        const { kind, text } = this.#token;
        if (kind !== "name") this.#unexpected("the name of a property is wanted");
        this.#advance();
        result = { kind: "access", of: result, key: { kind: "literal", value: text }, isSafe };
      } else if (this.#take("[")) {
        const isSafe = this.#take("?");
        const key = this.#expression();
        this.#expect("]");
        result = { kind: "access", of: result, key, isSafe };
      } else break;
    }
    this.#depth--;
    return result;
  }

  #primary(): Expression {
    const { kind, text } = this.#token;
    if (kind === "text" || kind === "number") {
      this.#advance();
      return { kind: "literal", value: kind === "text" ? text : Number(text) };
    }
    if (kind !== "name") this.#unexpected("a function, a text in single quotes or a number is wanted");
    this.#advance();
    let [namespace, name]: [string | undefined, string] = [undefined, text];
    if (this.#take(".")) {
      const member = this.#token;
      if (member.kind !== "name") this.#unexpected("the name of a function is wanted");
      this.#advance();
      [namespace, name] = [text, member.text];
    }
    if (!this.#take("(")) {
      refuse(
        `${excerpt(name)} is not followed by parentheses, and there are no names but those of functions`,
        /^(true|false|null)$/i.test(name) ? `write ${name.toLowerCase()}()` : `put text in single quotes: '${excerpt(name)}'`,
      );
    }
    const parameters: Expression[] = [];
    if (!this.#take(")")) {
      do parameters.push(this.#expression());
      while (this.#take(","));
      this.#expect(")");
    }
    return { kind: "call", name, parameters, ...(namespace === undefined ? {} : { namespace }) };
  }

  #take(sign: string): boolean {
    if (this.#token.kind !== "sign" || this.#token.text !== sign) return false;
    this.#advance();
    return true;
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) this.#unexpected(`${JSON.stringify(sign)} is wanted`);
  }

  #unexpected(wanted: string): never {
    const { kind, text } = this.#token;
    return refuse(`${wanted}; the expression has ${kind === "end" ? "ended" : JSON.stringify(excerpt(text))} there`);
  }

  #advance(): void {
    this.#token = this.#next();
  }

  #next(): Token {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    const start = this.#at;
    const first = this.#text[start];
    if (first === undefined) return { kind: "end", text: "" };
    if (first === "'") return { kind: "text", text: this.#quoted() };
    const pattern = /[A-Za-z_$][\w$]*|-?\d+/y;
    pattern.lastIndex = start;
    const word = pattern.exec(this.#text)?.[0];
    if (word !== undefined) {
      this.#at += word.length;
      return { kind: /^[-\d]/.test(word) ? "number" : "name", text: word };
    }
    if (!"()[],.?".includes(first)) refuse(`expressions know no ${JSON.stringify(first)}`, "use functions: add(), equals(), if()");
    this.#at++;
    return { kind: "sign", text: first };
  }

  /** A quote in a text is written twice. */
  #quoted(): string {
    let text = "";
    let from = this.#at + 1;
    for (;;) {
      const end = this.#text.indexOf("'", from);
      if (end < 0) refuse("a text has no closing quote", "a quote within a text is written twice: ''");
      text += this.#text.slice(from, end);
      if (this.#text[end + 1] !== "'") {
        this.#at = end + 1;
        return text;
      }
      text += "'";
      from = end + 2;
    }
  }
}
