/** One thing that `show` shows. */

import type { Kept, TemplateOutput } from "../documents/index.ts";
import type { LabView } from "../lab/view.ts";
import type { Style } from "../render/style.ts";
import type { Example } from "./command.ts";
import type { Live } from "./live.ts";

export type TopicInput = {
  readonly view: LabView;
  /** Present when the lab is running. */
  readonly live?: Live;
  /** Present for documents: objects that change no packet's way. */
  readonly kept?: readonly Kept[];
  /** Present for documents: of deployment templates. */
  readonly outputs?: readonly TemplateOutput[];
  /** The topic's argument, if it was given. */
  readonly argument?: string;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly effective?: boolean;
};

export type Shown = { readonly data: unknown; readonly text: (style: Style) => string };

export type Topic = {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** In the words of usage lines: `<host>`, `[filter]`. */
  readonly argument?: { readonly usage: string; readonly meaning: string };
  /** Only the kernel of a running lab knows. */
  readonly needsLive?: true;
  /** Has `--effective`. */
  readonly hasEffective?: true;
  readonly examples: readonly Example[];
  readonly show: (input: TopicInput) => Shown | Promise<Shown>;
};
