/** What page, worker and client agree on: addresses, names and the messages between a window and the worker. */

/** Path of the folder that the site serves all of this from: where the script itself came from. */
export const PREFIX = /* @__PURE__ */ new URL(".", import.meta.url).pathname;
/** The worker's file. The query, which servers ignore, tells our worker from a site's own even after the prefix changed. */
export const WORKER = "sw.js?manyhands";
/** Names of entries in the cache, never fetched. They outlive a change of the prefix. */
export const STORE = "/manyhands-store";
/** The cache that holds verified spans and the notes on complete assets. */
export const CACHE = "manyhands";
/** localStorage keys. */
export const CHOICE = "manyhands";
export const MONTH = "manyhands-month";
/** Marks a download navigation for the worker, followed by the encoded file name; never sent to any server. */
export const DOWNLOAD = "#manyhands-download=";
/** Request header of a page that does not lead: peers only, through the worker. Never leaves the browser. */
export const PEERS_ONLY = "manyhands-peers-only";

export interface Site {
  v: 1;
  /** The site's own origin, where the server knows it. */
  origin?: string;
  disabled: boolean;
  /** Seconds without a fresh site.json after which everything passes through. */
  lease: number;
  consent: "ask" | "notice" | "external";
  assets: { extensions: string[]; minSize: number };
  limits: { slack: number; uploadRate: number; uploadMonthly: number | null; cache: number };
  tracker: string;
  stun: string[];
  mirrors: string[];
  reseed: string;
  /** The design, where there is an experiment; only then anything is reported. */
  experiment?: "crossover" | "visitors" | null;
}

/** Kept beside the spans of a complete asset; the worker answers from it. */
export interface Note {
  root: string;
  length: number;
  span: number;
  /** The origin's own header fields, as a range answer carried them, without those of the range. */
  headers: [string, string][];
  used: number;
}

export const noteUrl = (path: string): string => STORE + path;
export const spanUrl = (root: string, span: number): string => `${STORE}//${root}/${span}`;

/** Worker to every window: a complete asset was asked for and answered from storage; it may be given to others now. */
export interface UsedNotice {
  manyhands: "used";
  path: string;
}

/** Worker to every window: who leads, answer through the port. */
export interface RelayRequest {
  manyhands: "get";
  path: string;
  /** The Range field as the page sent it. */
  range: string | null;
  media: boolean;
  /** May the origin be asked? */
  http: boolean;
}

/**
 * Window to worker, through the port: numbers are signs of life, objects heads, buffers bytes, `null` says "go on without me".
 * Worker to window: a number is that many more chunks wanted, `null` a cancellation.
 */
export interface RelayHead {
  status: number;
  headers: [string, string][];
  /** The bytes that will come: [start, end) of `length`. */
  start: number;
  end: number;
  length: number;
  /** For If-Range, when the worker has to go on by itself. */
  validator: string | null;
}

export interface Status {
  state: "off" | "asking" | "on";
  reason?: string;
  received: { origin: number; peers: number; mirrors: number };
  given: number;
  peers: number;
}

/** `window.manyhands`. */
export interface Api {
  ready: Promise<void>;
  status(): Status;
  /** Consent, remembered. */
  enable(): Promise<void>;
  /** Refusal, remembered: ends all connections, unregisters the worker, deletes what is stored. */
  disable(): Promise<void>;
  /** A verified stream; `http: false` asks peers only. */
  fetch(url: string, init?: { http?: boolean; signal?: AbortSignal }): Promise<Response>;
}

/** What client.js gives the loader. */
export interface Client {
  /** Consent came after loading. */
  start(): void;
  stop(): void;
  status(): Omit<Status, "state" | "reason">;
  fetch(url: string, http: boolean, signal?: AbortSignal): Promise<Response | undefined>;
  relay(event: MessageEvent): void;
}
