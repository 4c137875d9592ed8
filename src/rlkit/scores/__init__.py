"""What scripted teachers see instead of a task's reward (``reward.score=module:function``); a module knows one task."""
