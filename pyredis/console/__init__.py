"""The web console: a few files for the browser, and the requests that they make, which run as a user of the ACL."""
