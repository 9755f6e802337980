import { expect, test } from "vitest";
import { plain } from "../render/style.ts";
import { type Context, styleFor } from "./context.ts";
import { Failure, printable, renderCrash, renderFailure } from "./failure.ts";
import { Progress } from "./progress.ts";

function contextWith(isTTY: boolean): { readonly context: Context; readonly written: string[] } {
  const written: string[] = [];
  const stderr = { isTTY, columns: 20, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const { signal } = new AbortController();
  const rest = {
    env: {},
    cwd: "/",
    signal,
    terminate: signal,
    graceful: false,
    hasChild: false,
    style: plain,
    errorStyle: plain,
    exitStatus: 0,
  };
  return { context: { stdout: stderr, stderr, ...rest }, written };
}

test("on a terminal one line is written over and taken away", () => {
  const { context, written } = contextWith(true);
  const progress = new Progress(context);
  progress.update("building: 1 of 2 hosts of the network");
  progress.update("too soon to be drawn again");
  progress.clear();
  expect(written).toEqual(["\r\u001b[2Kbuilding: 1 of 2 ho", "\r\u001b[2K"]);
});

test("elsewhere short work writes nothing", () => {
  const { context, written } = contextWith(false);
  const progress = new Progress(context);
  progress.update("building");
  progress.clear();
  expect(written).toEqual([]);
});

test("colour is for terminals, unless the environment says otherwise", () => {
  const terminal = { isTTY: true, write: () => true };
  const pipe = { write: () => true };
  const isColoured = (stream: typeof pipe, env: Record<string, string>) => styleFor(stream, env).red("x") !== "x";
  expect(isColoured(terminal, {})).toBe(true);
  expect(isColoured(terminal, { NO_COLOR: "1" })).toBe(false);
  expect(isColoured(terminal, { TERM: "dumb" })).toBe(false);
  expect(isColoured(pipe, {})).toBe(false);
  expect(isColoured(pipe, { FORCE_COLOR: "1" })).toBe(true);
  expect(isColoured(pipe, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
});

test("a failure says what, why, what is near and what to do", () => {
  const failure = new Failure("unknown", "there is no pod wbe", { why: "it is misspelt", details: ["did you mean: web"], fix: "look" });
  expect(renderFailure(failure, plain)).toBe("drydock: there is no pod wbe\n  why: it is misspelt\n  did you mean: web\n  fix: look\n");
});

test("a defect shows its stack only when asked to", () => {
  const error = new Error("broken");
  expect(renderCrash(error, false, plain)).not.toContain("at ");
  expect(renderCrash(error, true, plain)).toContain("progress.test.ts");
});

test("names cannot move the cursor", () => expect(printable("a\u001b[2Jb\u009bc")).toBe("a\\u001b[2Jb\\u009bc"));
