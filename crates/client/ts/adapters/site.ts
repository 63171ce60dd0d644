/** What the site says: its settings and the manifests of its assets. */

import { hex, unbinary, type Bytes } from "../core/bytes";
import { encode, infoDictionary } from "../core/bencode";
import { UNIT } from "../core/layout";
import { PREFIX, type Site } from "../protocol";
import type { Manifest } from "../core/transfer";

export const sha256 = async (data: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", data));

/** Path under a reserved folder, `manifest` say. */
export const reserved = (folder: string, path: string): string => PREFIX + folder + path;

/** What came as JSON, where this client understands it; anything else means plain HTTP. Comes from the origin itself, so is checked for version, not for malice. */
export const readManifest = (value: Omit<Manifest, "digests"> & { v: number; unit: number; digests: string }): Manifest | undefined => {
  const { v, unit, length, pieceLength, digests } = value;
  return v === 1 && unit === UNIT && length > 0 && pieceLength % UNIT === 0 ? { ...value, digests: unbinary(atob(digests)) } : undefined;
};

export const fetchSite = async (): Promise<Site> => (await fetch(`${PREFIX}site.json`, { cache: "no-cache" })).json() as Promise<Site>;

/** Assets whose manifest this page has had: the server counts demand by first requests, one a page view and asset in every arm. */
const had = new Set<string>();

/** `mirrors`: those that have it, the best first; nothing where the answer does not say. */
export const fetchManifest = async (path: string): Promise<{ manifest: Manifest; swarm: string; mirrors: string[] | undefined } | undefined> => {
  const response = await fetch(reserved("manifest", path) + (had.has(path) ? "?again" : ""));
  if (!response.ok) return undefined;
  had.add(path);
  const manifest = readManifest((await response.json()) as Parameters<typeof readManifest>[0]);
  const mirrors = response.headers.get("Manyhands-Mirrors")?.split(/[, ]+/).filter(Boolean);
  return manifest && { manifest, swarm: response.headers.get("Manyhands-Swarm") ?? "off", mirrors };
};

/** A page of digests, tried a few times: without it a transfer ends. */
export const fetchDigests = async (manifest: Manifest, page: number, tries = 4): Promise<Bytes> => {
  try {
    const response = await fetch(reserved("digests/", `${manifest.root}/${page}`));
    if (!response.ok) throw new Error("digests");
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if (!tries) throw error;
    await new Promise((resolve) => setTimeout(resolve, 4000 / tries));
    return fetchDigests(manifest, page, tries - 1);
  }
};

/** The torrent's name: the last segment of the path, decoded. Its bytes, one character each. */
const torrentName = (path: string): string => unescape(path.slice(path.lastIndexOf("/") + 1));

/** How long the info dictionary is, known without fetching it: magnet users ask for the size first (BEP 9). */
export const infoSize = ({ path, length, pieceLength }: Manifest): number => {
  const hashes = Math.ceil(length / pieceLength) * 20;
  return encode({ length, name: torrentName(path), "piece length": pieceLength, pieces: "" }).length - 1 + String(hashes).length + hashes;
};

export const fetchInfo = async (manifest: Manifest): Promise<Bytes | undefined> => {
  const response = await fetch(reserved("torrent", manifest.path));
  const info = response.ok ? infoDictionary(new Uint8Array(await response.arrayBuffer())) : undefined;
  const digest = info && hex(new Uint8Array(await crypto.subtle.digest("SHA-1", info)));
  return digest === manifest.infohash ? info : undefined;
};

