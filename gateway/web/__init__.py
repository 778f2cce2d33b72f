"""Pages for people under `/web`: server-rendered, without scripts, over the same functions the API calls."""
