"""What answers say, and how records become answers. The OpenAPI document is made from these types."""
