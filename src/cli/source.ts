/** Where a command takes the lab from: documents, or the daemon of a running lab. The commands are the same for both. */

import type { Kept, TemplateOutput } from "../documents/index.ts";
import type { LabView } from "../lab/view.ts";
import { connect } from "./connect.ts";
import type { Context } from "./context.ts";
import { isFile, openFiles } from "./files.ts";
import type { Live } from "./live.ts";

export type Source = {
  readonly view: LabView;
  /** Absent for documents. */
  readonly live?: Live;
  /** Of documents: objects that change no packet's way. */
  readonly kept?: readonly Kept[];
  /** Of documents: outputs of deployment templates. */
  readonly outputs?: readonly TemplateOutput[];
};

export type SourceOptions = { readonly lab?: string; readonly file?: readonly string[] };

/** Documents if any are named, else the running lab. */
export async function openSource(context: Context, options: SourceOptions, files: readonly string[] = []): Promise<Source> {
  const named = [...(options.file ?? []), ...files];
  if (named.length > 0) return openFiles(context, named);
  const live = await connect(context, options.lab);
  return { view: await live.view(), live };
}

/** Takes the files off the end of a command's arguments: `show routes HOST lab.yaml`. */
export function splitFiles(
  context: Context,
  words: readonly string[],
): { readonly words: readonly string[]; readonly files: readonly string[] } {
  const first = words.findIndex((word) => isFile(context, word));
  return first < 0 ? { words, files: [] } : { words: words.slice(0, first), files: words.slice(first) };
}
