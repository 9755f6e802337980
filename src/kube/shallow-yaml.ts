/** YAML inside an object's text: a small configuration. Bounded before it is composed, since composing recurses. */

import { Composer, Lexer, Parser } from "yaml";

const maxLength = 64 * 1024;
const maxDepth = 8;

/** The value, or `Error` with what is wrong. Aliases and several documents are refused: a configuration needs neither. */
export function parseShallowYaml(text: string): unknown {
  if (text.length > maxLength) return new Error(`it has ${text.length} characters; at most ${maxLength} are read`);
  const parser = new Parser();
  const composer = new Composer({ version: "1.1", prettyErrors: false, logLevel: "silent", uniqueKeys: true });
  const documents = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token));
    // A level takes two of the parser's at most.
    if (parser.stack.length > 2 * maxDepth + 4) return new Error(`it is nested more than ${maxDepth} deep`);
  }
  for (const token of parser.end()) documents.push(...composer.next(token));
  documents.push(...composer.end());
  const [first, second] = documents;
  if (first === undefined) return null;
  if (second !== undefined) return new Error("it has several documents");
  const [error] = first.errors;
  if (error !== undefined) return new Error(error.message.split("\n", 1)[0]);
  try {
    return first.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    return new Error("aliases have no use here", { cause });
  }
}
