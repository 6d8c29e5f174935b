"""A third demo API, which no built-in definition uses: logins, children, searches by POST, GraphQL, a CSV export."""
