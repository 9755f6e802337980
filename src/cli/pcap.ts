/**
 * Captures packets with libpcap in this process, which already is in the right namespace, as pcap on standard output.
 *
 * tcpdump itself cannot be used: started by the lab's root it changes its user, which a user namespace with one user does not let it do. Its
 * library, and so its filter language, is all that is needed.
 */

import { koffi } from "../kernel/index.ts";
import { Failure } from "./failure.ts";

export type CaptureOptions = { readonly device: string; readonly count: number | undefined; readonly filter: string };

const snapLengthBytes = 262_144;
/** "the filter's network is not known": PCAP_NETMASK_UNKNOWN. */
const noNetmask = 0xffffffff;

/** Debian's name, and everybody else's. */
const libraries = ["libpcap.so.0.8", "libpcap.so.1"];

/** Returns when so many packets are captured, or the reader is gone. Blocks: signals end the process. */
export function capturePackets({ device, count, filter }: CaptureOptions): void {
  const library = libraries.map((name) => tryLoad(() => koffi().load(name))).find((loaded) => loaded !== undefined);
  if (library === undefined) throw new Failure("environment", "libpcap is not installed", { fix: "sudo apt-get install tcpdump" });
  const create = library.func("void *pcap_create(str source, _Out_ uint8_t *errors)");
  const setSnapLength = library.func("int pcap_set_snaplen(void *handle, int bytes)");
  const setImmediate = library.func("int pcap_set_immediate_mode(void *handle, int on)");
  const activate = library.func("int pcap_activate(void *handle)");
  const errorText = library.func("str pcap_geterr(void *handle)");
  const compile = library.func("int pcap_compile(void *handle, _Out_ uint8_t *program, str filter, int optimize, uint32_t netmask)");
  const setFilter = library.func("int pcap_setfilter(void *handle, uint8_t *program)");
  const openDump = library.func("void *pcap_dump_open(void *handle, str path)");
  const flush = library.func("int pcap_dump_flush(void *dumper)");
  const dispatch = library.func("int pcap_dispatch(void *handle, int count, void *callback, void *user)");
  const writePacket = library.symbol("pcap_dump");
  const setNonBlocking = library.func("int pcap_setnonblock(void *handle, int on, _Out_ uint8_t *errors)");
  const descriptor = library.func("int pcap_get_selectable_fd(void *handle)");
  const poll = koffi().load(null).func("int poll(_Inout_ uint8_t *descriptors, ulong count, int timeoutMs)");

  const errors = new Uint8Array(256);
  const handle = create(device, errors);
  const failed = (what: string, code: "usage" | "environment") => new Failure(code, `${what}: ${errorText(handle)}`);
  setSnapLength(handle, snapLengthBytes);
  // A packet is written when it comes, not when a buffer is full.
  setImmediate(handle, 1);
  if (activate(handle) < 0) throw failed(`cannot capture on ${device}`, "environment");
  // struct bpf_program: a length and a pointer.
  const program = new Uint8Array(16);
  if (filter !== "") {
    if (compile(handle, program, filter, 1, noNetmask) < 0) throw failed(`"${filter}" is no capture filter`, "usage");
    if (setFilter(handle, program) < 0) throw failed("the kernel refuses the filter", "environment");
  }
  const dumper = openDump(handle, "-");
  flush(dumper);
  setNonBlocking(handle, 1, errors);
  const waitFor = descriptor(handle);
  let left = count;
  while (left === undefined || left > 0) {
    if (poll(pollDescriptors(waitFor), 2, -1) > 0 && isReaderGone()) return;
    const written: number = dispatch(handle, left ?? -1, writePacket, dumper);
    if (written < 0) throw failed(`capturing on ${device} ended`, "environment");
    if (flush(dumper) < 0) return;
    if (left !== undefined) left -= written;
  }
}

const polled = new Uint8Array(16);
const POLLIN = 1;
const POLLERR = 8;
const POLLHUP = 16;

/** Two `struct pollfd` (fd, events, revents): packets to read, and standard output, of which only errors are told. */
function pollDescriptors(packets: number): Uint8Array {
  const view = new DataView(polled.buffer);
  view.setInt32(0, packets, true);
  view.setInt32(4, POLLIN, true);
  view.setInt32(8, 1, true);
  view.setInt32(12, 0, true);
  return polled;
}

/** A pipe without a reader is in error, packets or not. */
function isReaderGone(): boolean {
  return (new DataView(polled.buffer).getInt16(14, true) & (POLLERR | POLLHUP)) !== 0;
}

function tryLoad<T>(load: () => T): T | undefined {
  try {
    return load();
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}
