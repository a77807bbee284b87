"""The listings of YouTube on the loopback: channels with their tabs, and playlists, as yt-dlp reads them.

A page has the first `PAGE` entries; the others are behind continuations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PAGE = 100
TABS = ("videos", "shorts", "streams")
REMOVED = "This channel was removed because it violated our Community Guidelines."
NO_PLAYLIST = "The playlist does not exist."
Data = dict[str, Any]


@dataclass
class Channel:
    """A channel: the ids of its recordings, by tab; a tab without any is not there."""

    channel_id: str
    handle: str
    tabs: dict[str, list[str]]

    @property
    def uploads(self) -> str:
        """Return the id of the playlist of all its recordings."""
        return f"UU{self.channel_id[2:]}"


@dataclass
class Listings:
    """What the site lists. A playlist that it does not have, and a channel that was removed, are alerts."""

    channels: list[Channel] = field(default_factory=list)
    playlists: dict[str, list[str]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)  # handles
    tokens: dict[str, tuple[str, int]] = field(default_factory=dict)

    def page(self, path: str, query: dict[str, str]) -> Data | None:
        """Return the data of a page; None where there is no such page (HTTP 404)."""
        parts = [part for part in path.split("/") if part]
        if parts == ["playlist"]:
            return self._playlist(query.get("list", ""))
        if not parts:
            return None
        name = parts[1] if parts[0] == "channel" and len(parts) > 1 else parts[0]
        if name in self.removed:
            return _alert(REMOVED)
        wanted = parts[-1] if parts[-1] in TABS else ""
        return next((_channel(one, wanted) for one in self.channels if name in (one.handle, one.channel_id)), None)

    def browse(self, content: Data) -> Data:
        """Return the answer to the page of a playlist: what is behind a continuation, or all of it again."""
        if "continuation" not in content:
            return self._playlist(content["browseId"].removeprefix("VL"))
        items = self._entries(*self.tokens[content["continuation"]])
        return {"onResponseReceivedActions": [{"appendContinuationItemsAction": {"continuationItems": items}}]}

    def _playlist(self, playlist_id: str) -> Data:
        if not self._ids(playlist_id):
            return _alert(NO_PLAYLIST)
        videos = {"playlistVideoListRenderer": {"contents": self._entries(playlist_id, 0)}}
        content = {"sectionListRenderer": {"contents": [{"itemSectionRenderer": {"contents": [videos]}}]}}
        owner = next((one for one in self.channels if one.uploads == playlist_id), None)
        return {
            "metadata": {"playlistMetadataRenderer": {"title": f"List of {owner.handle if owner else playlist_id}"}},
            **_tabs([{"tabRenderer": {"selected": True, "content": content}}]),
        }

    def _ids(self, playlist_id: str) -> list[str]:
        for channel in self.channels:
            if channel.uploads == playlist_id:
                return [video for tab in TABS for video in channel.tabs.get(tab, [])]
        return self.playlists.get(playlist_id, [])

    def _entries(self, playlist_id: str, first: int) -> list[Data]:
        found = self._ids(playlist_id)
        items: list[Data] = [{"playlistVideoRenderer": _video(one)} for one in found[first : first + PAGE]]
        if len(found) > first + PAGE:
            token = f"{playlist_id}-{first + PAGE}"
            self.tokens[token] = (playlist_id, first + PAGE)
            command = {"continuationCommand": {"token": token}}
            items.append({"continuationItemRenderer": {"continuationEndpoint": command}})
        return items


def _channel(channel: Channel, wanted: str) -> Data:
    """Return the page of a channel: the site shows the home tab where the wanted tab is not there."""
    shown = wanted if channel.tabs.get(wanted) else "featured"
    tabs = [_tab(channel, name, is_selected=name == shown) for name in ("featured", *TABS)]
    metadata = {"title": channel.handle, "externalId": channel.channel_id}
    return {"metadata": {"channelMetadataRenderer": metadata}, **_tabs([tab for tab in tabs if tab])}


def _tab(channel: Channel, name: str, *, is_selected: bool) -> Data:
    videos = channel.tabs.get(name, [])
    if not videos and name != "featured":
        return {}
    url = {"commandMetadata": {"webCommandMetadata": {"url": f"/{channel.handle}/{name}"}}}
    tab: Data = {"title": name.title(), "endpoint": url}
    if is_selected:
        contents = [{"richItemRenderer": {"content": {"videoRenderer": _video(one)}}} for one in videos]
        tab |= {"selected": True, "content": {"richGridRenderer": {"contents": contents}}}
    return {"tabRenderer": tab}


def _tabs(tabs: list[Data]) -> Data:
    return {"contents": {"twoColumnBrowseResultsRenderer": {"tabs": tabs}}}


def _video(video_id: str) -> Data:
    title = {"runs": [{"text": f"Talk {video_id}"}]}
    return {"videoId": video_id, "title": title, "lengthSeconds": "600"}


def _alert(text: str) -> Data:
    return {"alerts": [{"alertRenderer": {"type": "ERROR", "text": {"simpleText": text}}}]}
