"""What more than one package needs: clock, journal."""
