"""What more than one package needs: clock, problems, decoding."""
