/**
 * Functions on text. Encodings are of UTF-8.
 *
 * Azure docs: templates/template-functions-string.
 */

import { isList, limits } from "../value.ts";
import { type Arguments, type PureFunctions, pure } from "./arguments.ts";
import { fromBase64, fromUtf8, toBase64, utf8 } from "./encodings.ts";
import { formatted } from "./format.ts";
import { nameBasedGuid, uniqueText } from "./hashes.ts";
import { asText, parsedJson } from "./values.ts";

const many = Number.POSITIVE_INFINITY;

export const textFunctions: PureFunctions = {
  concat: pure(
    0,
    (from) => {
      const values = from.values.map((_, index) => from.known(index));
      if (values.length > 0 && values.every(isList)) return values.flat();
      if (values.some(isList)) from.refuse("arrays and text cannot be joined", "join arrays with arrays, text with text");
      return values.map(asText).join("");
    },
    many,
  ),
  endsWith: pure(2, (from) => from.text(0).toLowerCase().endsWith(from.text(1).toLowerCase())),
  startsWith: pure(2, (from) => from.text(0).toLowerCase().startsWith(from.text(1).toLowerCase())),
  format: pure(1, (from) => formatted(from), many),
  guid: pure(1, (from) => nameBasedGuid(texts(from)), many),
  uniqueString: pure(1, (from) => uniqueText(texts(from)), many),
  join: pure(2, (from) =>
    from
      .list(0)
      .map((item) => asText(from.item(item)))
      .join(from.text(1)),
  ),
  padLeft: pure(
    2,
    (from) => {
      const [text, length, char] = [asText(from.known(0)), from.int(1), from.optionalText(2) ?? " "];
      if (char.length !== 1) from.refuse("the padding is one character");
      if (length > limits.text) from.refuse(`text has at most ${limits.text} characters`);
      return text.padStart(length, char);
    },
    3,
  ),
  replace: pure(3, (from) => {
    const [text, old, by] = [from.text(0), from.text(1), from.text(2)];
    if (old === "") from.refuse("there is nothing to replace: argument 2 is empty");
    const parts = text.split(old);
    if (text.length + (parts.length - 1) * by.length > limits.text) from.refuse(`text has at most ${limits.text} characters`);
    return parts.join(by);
  }),
  split: pure(2, (from) => {
    const [text, delimiters] = [from.text(0), from.known(1)];
    const list = isList(delimiters) ? delimiters.map((item) => from.asText(item, "each delimiter")) : [from.text(1)];
    return list
      .filter((delimiter) => delimiter !== "")
      .reduce<readonly string[]>((parts, by) => parts.flatMap((part) => part.split(by)), [text]);
  }),
  substring: pure(
    2,
    (from) => {
      const [text, start] = [from.text(0), from.int(1)];
      const length = from.any(2) === null ? text.length - start : from.int(2);
      if (start < 0 || length < 0 || start + length > text.length) {
        from.refuse(`${length} characters from ${start} on are not within the ${text.length} of ${JSON.stringify(text.slice(0, 60))}`);
      }
      return text.slice(start, start + length);
    },
    3,
  ),
  toLower: pure(1, (from) => from.text(0).toLowerCase()),
  toUpper: pure(1, (from) => from.text(0).toUpperCase()),
  trim: pure(1, (from) => from.text(0).trim()),

  base64: pure(1, (from) => toBase64(utf8(from.text(0)))),
  base64ToString: pure(1, (from) => decoded(from, from.text(0))),
  base64ToJson: pure(1, (from) => parsedJson(from, decoded(from, from.text(0)))),
  dataUri: pure(1, (from) => `data:text/plain;charset=utf8;base64,${toBase64(utf8(asText(from.known(0))))}`),
  dataUriToString: pure(1, (from) => {
    const [, base64, data = ""] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(from.text(0)) ?? from.refuse("this is no data URI");
    return base64 === undefined ? unescapedUri(from, data) : decoded(from, data);
  }),
  uri: pure(2, (from) => {
    const [base, relative] = [from.text(0), from.text(1)];
    if (/^[a-z][\w+.-]*:\/\//i.test(relative)) return relative;
    const [, origin = "", path = ""] = /^([a-z][\w+.-]*:\/\/[^/?#]*)([^?#]*)/i.exec(base) ?? from.refuse("the base is no absolute URI");
    if (relative.startsWith("/")) return origin + relative;
    const folder = path.slice(0, path.lastIndexOf("/") + 1) || "/";
    return origin + withoutDots(folder + relative);
  }),
  uriComponent: pure(1, (from) =>
    encodeURIComponent(wellFormed(from.text(0))).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
  ),
  uriComponentToString: pure(1, (from) => unescapedUri(from, from.text(0))),
};

function texts(from: Arguments): readonly string[] {
  return from.values.map((_, index) => from.text(index));
}

function decoded(from: Arguments, text: string): string {
  const bytes = fromBase64(text);
  return bytes === undefined ? from.refuse("the text is not Base64") : fromUtf8(bytes);
}

function unescapedUri(from: Arguments, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return from.refuse("the text is not well escaped");
  }
}

/** Half a character, which no encoding has, as the sign for what is unreadable. */
function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** A path with `.` and `..` resolved (RFC 3986, 5.2.4). */
function withoutDots(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts[0] === "" ? parts.join("/") : `/${parts.join("/")}`;
}
