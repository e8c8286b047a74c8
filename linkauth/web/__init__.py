"""The web layer around the views: tweens, requests, forms, pages, response headers, and the servers."""
