/** What the site says: its settings and the manifests of its assets. */

import { hex, type Bytes } from "../core/bytes";
import { encode, infoDictionary } from "../core/bencode";
import { PREFIX, type Site } from "../protocol";
import type { Manifest } from "../core/transfer";

export const sha256 = async (data: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", data));

/** Path under a reserved folder, `manifest` say. */
export const reserved = (folder: string, path: string): string => PREFIX + folder + path;

/** A candidate is worth asking a manifest for: same origin, no query, an extension that the site shares. */
export const candidate = (url: URL, site: Site): boolean =>
  url.origin === location.origin &&
  !url.search &&
  !url.pathname.startsWith(PREFIX) &&
  site.assets.extensions.includes(/\.(\w+)$/.exec(url.pathname)?.[1]?.toLowerCase() ?? "");

const number = (value: unknown, least: number): value is number => Number.isSafeInteger(value) && (value as number) >= least;

/** Checks what came as JSON; anything odd means plain HTTP. */
export const readManifest = (value: unknown): Manifest | undefined => {
  const { v, path, length, type, etag, infohash, pieceLength, root, unit, digests } = value as Record<string, unknown>;
  if (
    v !== 1 ||
    unit !== 65536 ||
    typeof path !== "string" ||
    typeof type !== "string" ||
    (etag !== null && typeof etag !== "string") ||
    !number(length, 1) ||
    !number(pieceLength, 65536) ||
    pieceLength & (pieceLength - 1) ||
    pieceLength > 1 << 24 ||
    !/^[0-9a-f]{40}$/.test(String(infohash)) ||
    !/^[0-9a-f]{64}$/.test(String(root)) ||
    typeof digests !== "string"
  ) {
    return undefined;
  }
  return {
    path,
    length,
    type,
    etag,
    infohash: infohash as string,
    pieceLength,
    root: root as string,
    digests: Uint8Array.from(atob(digests), (c) => c.charCodeAt(0)),
  };
};

export const fetchSite = async (): Promise<Site> => (await fetch(`${PREFIX}site.json`, { cache: "no-cache" })).json() as Promise<Site>;

export const fetchManifest = async (path: string): Promise<{ manifest: Manifest; swarm: string } | undefined> => {
  const response = await fetch(reserved("manifest", path));
  if (!response.ok) return undefined;
  const manifest = readManifest(await response.json());
  return manifest && { manifest, swarm: response.headers.get("Manyhands-Swarm") ?? "off" };
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

