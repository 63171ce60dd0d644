/** Data channels to other visitors. Offers and answers carry their candidates: nothing is trickled. */

import type { Bytes } from "../core/bytes";
import type { Channel } from "../core/peer";

/** A STUN server that does not answer keeps gathering open for many seconds; what came soon after the first candidate is enough. */
const GATHER_AFTER_FIRST = 500;
const GATHER_LIMIT = 3000;

export interface ChannelEvents {
  onOpen(channel: Channel): void;
  onData(bytes: Uint8Array): void;
  /** Called once, also when it never opened. */
  onClose(): void;
}

export class Connection implements Channel {
  readonly #connection: RTCPeerConnection;
  #channel: RTCDataChannel | undefined;
  #closed = false;

  constructor(
    stun: readonly string[],
    private readonly events: ChannelEvents,
  ) {
    this.#connection = new RTCPeerConnection(stun.length ? { iceServers: [{ urls: [...stun] }] } : {});
    this.#connection.onconnectionstatechange = () => {
      if (/failed|closed|disconnected/.test(this.#connection.connectionState)) this.close();
    };
    this.#connection.ondatachannel = ({ channel }) => this.#adopt(channel);
  }

  get open(): boolean {
    return this.#channel?.readyState === "open";
  }

  async offer(): Promise<string> {
    this.#adopt(this.#connection.createDataChannel("manyhands"));
    await this.#connection.setLocalDescription(await this.#connection.createOffer());
    return this.#gathered();
  }

  async answer(sdp: string): Promise<string> {
    await this.#connection.setRemoteDescription({ type: "offer", sdp });
    await this.#connection.setLocalDescription(await this.#connection.createAnswer());
    return this.#gathered();
  }

  async accept(sdp: string): Promise<void> {
    if (this.#connection.signalingState === "have-local-offer") await this.#connection.setRemoteDescription({ type: "answer", sdp });
  }

  send(bytes: Bytes): void {
    if (this.open) this.#channel!.send(bytes);
  }

  backlog(): number {
    return this.#channel?.bufferedAmount ?? Infinity;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
    this.events.onClose();
  }

  #adopt(channel: RTCDataChannel): void {
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    channel.onopen = () => this.events.onOpen(this);
    channel.onmessage = ({ data }) => this.events.onData(new Uint8Array(data as ArrayBuffer));
    channel.onclose = channel.onerror = () => this.close();
    if (channel.readyState === "open") this.events.onOpen(this);
  }

  #gathered(): Promise<string> {
    const connection = this.#connection;
    return new Promise((resolve) => {
      const finish = (): void => resolve(connection.localDescription?.sdp ?? "");
      connection.onicecandidate = ({ candidate }) => (candidate ? setTimeout(finish, GATHER_AFTER_FIRST) : finish());
      setTimeout(finish, GATHER_LIMIT);
      if (connection.iceGatheringState === "complete") finish();
    });
  }
}
