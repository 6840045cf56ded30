/** Takes steps in the kernel and in the model, and says where the two part. */
import type { DpFlowKey } from "@dp/bpf";
import { type Counts, difference } from "@dp/test-kit/packet-counts.ts";
import { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import { A, CONFIG } from "@dp/test-kit/two-servers.ts";
import { u32, u64 } from "../../src/libbpf/index.ts";
import { differenceOf, differenceOfMaps } from "./flow-maps.ts";
import { type Container, type Fate, FlowModel, type FlowVerdict } from "./flow-model.ts";
import type { Change, PacketStep, Step } from "./flow-steps.ts";
import { type FlowId, flowId, flowKey, originId } from "./flow.ts";
import { SERVERS } from "./world.ts";

const MOST = 8;
const RESERVED = 2;
/** One container alone may have as many as MOST; with another one that has many, fewer. */
const SHARED = 30;
/** Less than two containers may have. */
const ROOM = 14;
/** Nothing ends by itself while it is looked at. */
const LONG = 86_400_000_000_000n;
const ELSEWHERE = 1n;

export function openFlowRunner(): Promise<ProgramRunner> {
  return ProgramRunner.open("tproxy", {
    program: "dp_tproxy_container",
    prepare(object) {
      object.setVariable("dp_max_flows", u32, MOST);
      object.setVariable("dp_reserved_flows", u32, RESERVED);
      object.setVariable("dp_shared_flows", u32, SHARED);
      object.setVariable("dp_opening_ns", u64, LONG);
      object.setVariable("dp_udp_ns", u64, LONG);
      object.map("dp_flows").setMaxEntries(ROOM);
    },
  });
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** From maps without a flow in them to where steps have brought both. */
export class FlowRun {
  readonly model: FlowModel;
  readonly #runner: ProgramRunner;
  readonly #before: Counts;
  readonly #drops: Counts = {};

  constructor(runner: ProgramRunner) {
    this.#runner = runner;
    this.model = new FlowModel({
      containers: SERVERS.map((server) => ({ ...server, inOwnNetns: true })),
      listeners: { http: CONFIG.httpPort, dns: CONFIG.dnsPort, tcp: CONFIG.tcpPort },
      held: false,
      most: MOST,
      reserved: RESERVED,
      shared: SHARED,
      room: ROOM,
    });
    for (const name of ["dp_flows", "dp_origins", "dp_answer_frags"] as const) runner.clear(name);
    this.#configure();
    for (const server of SERVERS) runner.writeServer(server, server);
    this.#before = runner.counts();
  }

  /** What the kernel made of it and what the model did, when that is not the same; else what became of it. */
  take(step: Step): { differs?: string; fate?: Fate | string } {
    if ("program" in step) return this.#send(step);
    // A change that is made to both could hide it.
    const differs = differenceOfMaps(this.#runner, this.model);
    if (differs === undefined) this.#change(step);
    return differs === undefined ? {} : { differs };
  }

  #change(step: Change): void {
    const { model } = this;
    if ("hold" in step || "listen" in step) {
      if ("hold" in step) model.world.held = step.hold;
      else [model.world.listeners.http, model.world.listeners.dns, model.world.listeners.tcp] = step.listen;
      this.#configure();
    } else if ("container" in step) {
      const container = model.world.containers.find(({ id }) => id === step.container);
      if (container !== undefined) this.#place(container, step.inOwnNetns);
    } else if ("accept" in step) {
      this.#changeFlow(step.accept, "accept");
    } else {
      this.#changeFlow(step.of, step.lose);
    }
  }

  /** The proxy accepts a flow, or half of it is lost. */
  #changeFlow(id: FlowId, what: "accept" | "flow" | "origin"): void {
    const { model } = this;
    const flow = model.flows.get(id);
    if (flow === undefined) return;
    const key = { ...flowKey(id), sport: flow.sport };
    const origin = model.origins.get(originId(key));
    if (what === "flow") {
      model.flows.delete(id);
      this.#runner.delete("dp_flows", flowKey(id));
    } else if (what === "origin" && origin !== undefined) {
      model.origins.delete(originId(key));
      this.#runner.delete("dp_origins", key);
    } else if (origin !== undefined) {
      origin.established = true;
      // As dp_sockops does.
      this.#runner.set("dp_origins", key, { ...this.#runner.get("dp_origins", key), expires: 0n });
    }
  }

  #configure(): void {
    const { held, listeners } = this.model.world;
    const ports = { httpPort: listeners.http, dnsPort: listeners.dns, tcpPort: listeners.tcp };
    this.#runner.set("dp_configs", 0, { ...CONFIG, ...ports, heldUntil: held ? 2n ** 63n : 0n });
  }

  /** Packets of this server's container come from its own network namespace, or from another one. */
  #place(container: Container, inOwnNetns: boolean): void {
    container.inOwnNetns = inOwnNetns;
    const entry = this.#runner.get("dp_servers", container.hostPeer);
    const netnsCookie = inOwnNetns ? this.#runner.netnsCookie : ELSEWHERE;
    this.#runner.set("dp_servers", container.hostPeer, { ...entry, netnsCookie });
  }

  #send(step: PacketStep): { differs?: string; fate?: string } {
    const frame = Uint8Array.from(Buffer.from(step.frame, "hex"));
    const port = step.port === undefined ? undefined : this.model.substituteOf(step.port.of);
    if (step.port !== undefined && port !== undefined && step.port.at + 2 <= frame.byteLength) {
      frame.set([port >>> 8, port & 0xff], step.port.at);
    }
    const { cutTo, tag, ifindex = A.hostPeer } = step;
    const options = { ifindex, ...(cutTo === undefined ? {} : { cutTo }), ...(tag === undefined ? {} : { tag }) };
    const actual = this.#runner.runUncounted(frame, { program: `dp_tproxy_${step.program}`, ...options });
    const sent = frame.subarray(0, cutTo);
    const expected = this.#judge(step, sent);
    if (expected.drop !== undefined) {
      const counter = `${expected.of?.id} drop ${expected.drop}`;
      this.#drops[counter] = (this.#drops[counter] ?? 0) + 1;
    }
    const out = expected.packet ?? sent;
    if (actual.verdict !== expected.verdict || Buffer.compare(actual.packet, out) !== 0) {
      return { differs: `program: ${actual.verdict} ${hex(actual.packet)}\nmodel:   ${expected.verdict} ${hex(out)}` };
    }
    return { fate: expected.fate ?? expected.drop ?? "leftAlone" };
  }

  #judge({ program, tag, ifindex = A.hostPeer }: PacketStep, sent: Uint8Array): FlowVerdict {
    if (program === "host") return this.model.host(sent, ifindex);
    return this.model.container(sent, tag, (key) => this.#sportOf(key));
  }

  /** As the kernel has it. */
  #sportOf(key: DpFlowKey): number | undefined {
    return this.#runner.entries("dp_flows").find(([other]) => flowId(other) === flowId(key))?.[1].sport;
  }

  /** What is different in the maps and counters; undefined when nothing is. */
  compareMaps(): string | undefined {
    return differenceOfMaps(this.#runner, this.model) ?? this.#compareDrops();
  }

  #compareDrops(): string | undefined {
    const counted = difference(this.#before, this.#runner.counts());
    return differenceOf("drops", new Map(Object.entries(counted)), new Map(Object.entries(this.#drops)));
  }
}
