/** One WebSocket to the site's own tracker, shared by all assets. */

import { binary, type Bytes } from "../core/bytes";
import type { Channel, Peer } from "../core/peer";
import { announce, answer, parse, pause, type AnnounceState, type Offer } from "../core/tracker";
import type { Transfer } from "../core/transfer";
import { Connection } from "./rtc";

const MAX_PEERS = 16;
const OFFER_LIMIT = 50_000;
const RECONNECT = [1000, 300_000] as const;
/** After a refusal of the tracker: a block of the experiment ends, a purged asset may be shared again. */
const REFUSED = 600_000;

interface Membership {
  transfer: Transfer;
  timer: ReturnType<typeof setTimeout> | undefined;
  joined: boolean;
  /** The tracker does not want this swarm now: nobody is to be connected. */
  refused: boolean;
  /** Connections under way or open, by the offer's id. */
  connections: Map<string, Connection>;
  /** Milliseconds between announces, as the tracker wants it. */
  interval: number;
  /** How many others there are who are of use, as the tracker counts. */
  others: number;
  /** Announces in a row that did not bring all of them. */
  tries: number;
}

export class Tracker {
  #socket: WebSocket | undefined;
  #connecting = false;
  readonly #members = new Map<string, Membership>();
  #delay: number = RECONNECT[0];
  readonly #peerId: string;

  constructor(
    /** The address; told whether the last one failed, since its token may have run out. */
    private readonly address: (failed: boolean) => Promise<string>,
    private readonly stun: readonly string[],
    private readonly ownId: Bytes,
  ) {
    this.#peerId = binary(this.ownId);
  }

  join(transfer: Transfer): void {
    const key = binary(transfer.infoHash);
    if (this.#members.has(key)) return;
    this.#members.set(key, { transfer, timer: undefined, joined: false, refused: false, connections: new Map(), interval: 0, others: 0, tries: 0 });
    this.#enter(key);
  }

  leave(transfer: Transfer): void {
    const key = binary(transfer.infoHash);
    const member = this.#members.get(key);
    if (!member) return;
    if (member.joined) this.#announce(key, "stopped");
    this.#part(member);
    this.#members.delete(key);
    this.#hangUp();
  }

  completed(transfer: Transfer): void {
    this.#announce(binary(transfer.infoHash), "completed");
  }

  #enter(key: string): void {
    if (this.#socket?.readyState === 1) this.#announce(key, "started");
    else void this.#connect();
  }

  /** Without a swarm that we are welcome in there is nothing to hear. */
  #hangUp(): void {
    if (![...this.#members.values()].every(({ refused }) => refused)) return;
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Ends all connections, open and under way, and expects none. */
  #part(member: Membership): void {
    clearTimeout(member.timer);
    member.joined = false;
    member.refused = true;
    for (const connection of member.connections.values()) connection.close();
  }

  async #connect(): Promise<void> {
    if (this.#connecting) return;
    this.#connecting = true;
    const url = await this.address(this.#delay > RECONNECT[0]).catch(() => undefined);
    this.#connecting = false;
    if (this.#socket || !this.#members.size) return;
    if (!url) return this.#retry();
    const socket = (this.#socket = new WebSocket(url));
    socket.onopen = () => {
      this.#delay = RECONNECT[0];
      for (const key of this.#members.keys()) this.#announce(key, "started");
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#handle(data);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      for (const member of this.#members.values()) {
        member.joined = false;
        clearTimeout(member.timer);
      }
      this.#retry();
    };
  }

  #retry(): void {
    setTimeout(() => this.#members.size && void this.#connect(), this.#delay * (0.5 + Math.random()));
    this.#delay = Math.min(RECONNECT[1], this.#delay * 2);
  }

  #state({ transfer }: Membership): AnnounceState {
    return {
      infoHash: binary(transfer.infoHash),
      peerId: this.#peerId,
      uploaded: 0,
      downloaded: transfer.received.origin + transfer.received.peers,
      left: transfer.left,
    };
  }

  #announce(key: string, event?: string, offers?: Offer[]): void {
    const member = this.#members.get(key);
    if (!member || this.#socket?.readyState !== 1 || (member.refused && event !== "started")) return;
    member.joined = true;
    this.#socket.send(announce(this.#state(member), event, offers));
  }

  #handle(text: string): void {
    const message = parse(text);
    const key = message?.info_hash ?? "";
    const member = this.#members.get(key);
    if (!message || !member) return;
    const { offer, answer, interval, peer_id, offer_id } = message;
    if (message["failure reason"]) {
      // Held out by the experiment, or purged. The transfer goes on alone: with no peer left, the origin does all of it.
      this.#part(member);
      member.timer = setTimeout(() => this.#enter(key), pause(REFUSED, undefined, Math.random));
      this.#hangUp();
    } else if (offer) void this.#onOffer(member, peer_id, offer_id, offer.sdp);
    else if (answer) {
      const connection = member.connections.get(offer_id);
      connection?.accept(answer.sdp).catch(() => connection.close());
    } else if (interval) {
      member.refused = false;
      member.interval = Math.max(30, interval) * 1000;
      // We are counted too; and those who have everything are of no use to one another.
      member.others = message.incomplete + (member.transfer.left ? message.complete - 1 : 0);
      this.#schedule(key, member);
      if (message.offers) void this.#offer(key, member, message.offers);
    }
  }

  /** Whether fewer are connected than there are, or than there is room for. */
  #lacking({ transfer, others }: Membership): boolean {
    return transfer.others.length < Math.min(MAX_PEERS, others);
  }

  /** Introductions fail: offers get lost, networks do not let each other through. While somebody is missing the next announce comes soon. */
  #schedule(key: string, member: Membership): void {
    if (this.#members.get(key) !== member || member.refused) return;
    clearTimeout(member.timer);
    const lacking = this.#lacking(member);
    if (!lacking) member.tries = 0;
    member.timer = setTimeout(() => {
      if (lacking && !this.#lacking(member)) return this.#schedule(key, member);
      member.tries++;
      this.#announce(key);
    }, pause(member.interval, lacking ? member.tries : undefined, Math.random));
  }

  /** As many offers as the tracker has takers for, and no more than we have room for. */
  async #offer(key: string, member: Membership, count: number): Promise<void> {
    const room = MAX_PEERS - member.transfer.others.length;
    const offers = await Promise.all(
      Array.from({ length: Math.min(count, room) }, async (): Promise<Offer | undefined> => {
        const offerId = binary(crypto.getRandomValues(new Uint8Array(20)));
        const connection = this.#connection(member, offerId);
        const sdp = await connection.offer().catch(() => "");
        return sdp ? { offer: { type: "offer", sdp }, offer_id: offerId } : undefined;
      }),
    );
    const made = offers.filter((offer) => offer !== undefined);
    // An announce without any would only be asked for some again.
    if (made.length) this.#announce(key, undefined, made);
  }

  async #onOffer(member: Membership, peerId: string, offerId: string, sdp: string): Promise<void> {
    const { others } = member.transfer;
    if (member.refused || others.length >= MAX_PEERS || peerId === this.#peerId || others.some((peer) => binary(peer.id) === peerId)) return;
    const connection = this.#connection(member, offerId);
    try {
      const reply = await connection.answer(sdp);
      if (member.connections.has(offerId)) this.#socket?.send(answer(this.#state(member), peerId, offerId, reply));
    } catch {
      connection.close();
    }
  }

  #connection(member: Membership, offerId: string): Connection {
    let peer: Peer | undefined;
    const connection = new Connection(this.stun, {
      onOpen: (channel: Channel) => {
        peer ??= member.transfer.addPeer(channel);
      },
      onData: (bytes) => peer?.push(bytes),
      onClose: () => {
        member.connections.delete(offerId);
        peer?.close();
        if (peer?.ready) this.#schedule(binary(member.transfer.infoHash), member);
      },
    });
    member.connections.set(offerId, connection);
    // Unanswered offers and answers that lead nowhere.
    setTimeout(() => connection.open || connection.close(), OFFER_LIMIT);
    return connection;
  }
}
